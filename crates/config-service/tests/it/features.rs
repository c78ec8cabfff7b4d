//! The registry over REST, who stated nothing, previews, and what became of members.

use axum::http::{Method, header};
use serde_json::{Value, json};

use crate::Fixture;

async fn post(fixture: &Fixture, path: &str, body: Value) -> crate::Answer {
    fixture.call(Method::POST, path, body.to_string()).await
}

#[tokio::test]
async fn a_feature_is_tried_registered_and_then_held_to() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &json!({"frequency": "hourly"})).await;
    fixture.set("bob", &json!({"frequency": "daily"})).await;
    let path = "/feature-types/posts";
    let definition = json!({"description": "Posts", "policy": {"frequencies": ["daily"]}});
    let trial = fixture.put(&format!("{path}?dry_run=true"), &definition).await.json();
    assert_eq!(
        (&trial["preferences"], &trial["broken_count"], &trial["broken"][0]["tenant_id"]),
        (&json!(2), &json!(1), &json!("ann"))
    );
    fixture.get(path).await.problem(404);
    let stored = fixture.put(path, &definition).await;
    assert_eq!((stored.status.as_u16(), stored.header(header::ETAG)), (201, Some("\"1\"")));
    assert_eq!(fixture.get(path).await.json()["definition"], definition);
    assert_eq!(
        fixture.get("/feature-types").await.json()["feature_types"][0]["feature_type"],
        "posts"
    );
    fixture
        .call_with(Method::PUT, path, ("if-match", "\"9\""), definition.to_string())
        .await
        .problem(412);
    assert_eq!(
        fixture
            .put("/tenants/eve/preferences/posts", &json!({"frequency": "weekly"}))
            .await
            .pointers(),
        ["/frequency"]
    );
    assert_eq!(
        fixture.put("/tenants/eve/preferences/mail", &json!({})).await.status,
        422,
        "not registered"
    );
    let line = json!({"tenant_id": "eve", "config_value": {"posts": {"frequency": "weekly"}}});
    let result = post(&fixture, "/preferences/import", line).await.lines().remove(0);
    assert_eq!(result["errors"][0]["pointer"], "/config_value/posts/frequency");
    assert_eq!(fixture.put(path, &json!({"polcy": {}})).await.pointers(), ["/polcy"]);
}

#[tokio::test]
async fn those_who_never_stated_a_preference_are_listed() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &json!({})).await;
    fixture.put("/tenants/bob", &json!({})).await;
    let page = fixture.get("/features/posts/unstated").await.json();
    assert_eq!(page["tenants"], json!([{"tenant_id": "bob", "number": 2}]));
    fixture.get("/features/posts/unstated?cursor=x").await.problem(400);
}

#[tokio::test]
async fn a_preview_names_the_next_runs_of_a_preference_that_is_not_stored() {
    let fixture = Fixture::new().await;
    let daily = json!({"frequency": "daily", "preferred_time": "09:00"});
    let preview = post(
        &fixture,
        "/preview",
        json!({"preference": daily, "timezone": "Europe/Berlin", "count": 2}),
    )
    .await
    .json();
    assert_eq!(preview["next_run"], preview["occurrences"][0]);
    assert_eq!(preview["occurrences"][1]["nominal"], "2026-12-03T09:00");
    let open = post(&fixture, "/preview", json!({"preference": daily})).await.json();
    assert_eq!(
        (&open["next_run"], &open["reason"], &open["occurrences"]),
        (&Value::Null, &json!("depends_on_job"), &json!([]))
    );
    let wrong = post(&fixture, "/preview", json!({"preference": {"frequency": "never"}})).await;
    assert_eq!(wrong.pointers(), ["/preference/frequency"]);
    assert!(fixture.feed().await.is_empty());
}

#[tokio::test]
async fn what_became_of_members_since_a_position_is_told() {
    let fixture = Fixture::new().await;
    for tenant in ["ann", "bob", "eve"] {
        fixture.set(tenant, &json!({"frequency": "daily"})).await;
    }
    let position = fixture.get("/preferences/changes").await.json()["next"].clone();
    fixture.set("bob", &json!({"frequency": "weekly"})).await;
    fixture.set("eve", &json!({"frequency": "daily", "template_overrides": {"tone": "dry"}})).await;
    let group = json!({"frequency": "daily", "time_key": "-", "timezone": "-"});
    let asked = json!({"feature_type": "posts", "groups": [group],
        "as_of": "2026-12-01T12:00:00.9Z", "changed_since": position});
    fixture.clock.set("2026-12-01T12:00:01Z");
    let moved = post(&fixture, "/preferences/groups/members", asked.clone()).await.json();
    assert_eq!((&moved["gone"], &moved["count_as_of"]), (&json!([2]), &json!(2)));
    assert_eq!(
        (moved["members"].as_array().map(Vec::len), &moved["members"][0]["tenant_id"]),
        (Some(1), &json!("eve"))
    );
    let mut wrong = asked;
    wrong["limit"] = json!(3);
    assert_eq!(
        post(&fixture, "/preferences/groups/members", wrong).await.pointers(),
        ["/changed_since"]
    );
}

#[tokio::test]
async fn groups_come_in_pages_and_are_checked() {
    let fixture = Fixture::new().await;
    for (tenant, time) in [("ann", "09:00"), ("bob", "10:00"), ("eve", "11:00")] {
        fixture.set(tenant, &json!({"frequency": "daily", "preferred_time": time})).await;
    }
    let first = fixture.get("/features/posts/frequency-groups?limit=2").await.json();
    let next = first["next_cursor"].as_str().expect("a cursor");
    let second =
        fixture.get(&format!("/preferences/groups?feature_type=posts&cursor={next}")).await.json();
    assert_eq!(
        (first["groups"].as_array().map(Vec::len), second["groups"].as_array().map(Vec::len)),
        (Some(2), Some(1))
    );
    assert_eq!(second["next_cursor"], Value::Null);
    let drift =
        fixture.call(Method::POST, "/preferences/groups/check?repair=true", "").await.json();
    assert_eq!(
        (&drift["preferences"], &drift["misplaced_count"], &drift["miscounted_count"]),
        (&json!(3), &json!(0), &json!(0))
    );
}
