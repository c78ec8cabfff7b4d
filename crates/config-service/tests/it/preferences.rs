//! One preference: PUT, PATCH, GET, DELETE, and many by batch-get.

use axum::body::Body;
use axum::http::{Method, header};
use serde_json::{Value, json};

use crate::Fixture;

const PATH: &str = "/tenants/ann/preferences/posts";

#[tokio::test]
async fn a_preference_reads_back_as_it_was_stated() {
    let fixture = Fixture::new().await;
    let stated = json!({"frequency": "daily", "preferred_time": "09:00",
        "timezone": "europe/berlin", "template_overrides": {"tone": "dry"}});
    let created = fixture.put(PATH, &stated).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.header(header::ETAG), Some("\"1\""));
    let receipt = created.json();
    assert_eq!(receipt["version"], 1);
    assert_eq!(
        receipt["next_run"],
        json!({"nominal": "2026-12-02T09:00", "timezone": "Europe/Berlin",
            "at": "2026-12-02T08:00:00Z"})
    );
    let read = fixture.get(PATH).await;
    assert_eq!((read.json(), read.header(header::ETAG)), (stated, Some("\"1\"")));
    assert_eq!(read.header(header::CONTENT_TYPE), Some("application/json"));
}

#[tokio::test]
async fn a_write_says_when_it_takes_effect_and_why_no_run_can_be_named() {
    let fixture = Fixture::new().await;
    let receipt = fixture.set("ann", &json!({"frequency": "daily"})).await;
    assert_eq!(
        (&receipt["next_run"], &receipt["reason"]),
        (&Value::Null, &json!("depends_on_job"))
    );
    assert!(
        receipt["takes_effect_at"]
            .as_str()
            .is_some_and(|at| at.starts_with("2026-12-01T12:00:00.0000"))
    );
    assert_eq!(fixture.set("ann", &json!({"enabled": false})).await["reason"], "disabled");
    let snoozed = json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "UTC",
        "snoozed_until": "2027-01-01T00:00:00Z"});
    assert_eq!(fixture.set("ann", &snoozed).await["reason"], "snoozed");
    let deleted = fixture.call(Method::DELETE, PATH, Body::empty()).await.json();
    assert_eq!((&deleted["version"], &deleted["reason"]), (&json!(4), &json!("disabled")));
}

#[tokio::test]
async fn the_same_again_changes_nothing_and_still_names_the_next_run_to_come() {
    let fixture = Fixture::new().await;
    let stated = json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "UTC"});
    let first = fixture.set("ann", &stated).await;
    fixture.clock.set("2026-12-05T00:00:00Z");
    let second = fixture
        .set("ann", &json!({"timezone": "UTC", "preferred_time": "09:00", "frequency": "daily"}))
        .await;
    assert_eq!(
        (&second["version"], &second["takes_effect_at"]),
        (&json!(1), &first["takes_effect_at"])
    );
    assert_eq!(second["next_run"]["nominal"], "2026-12-05T09:00");
    assert_eq!(fixture.feed().await.len(), 1);
}

#[tokio::test]
async fn a_time_moved_to_later_on_a_day_that_has_had_its_run_says_so() {
    let fixture = Fixture::new().await;
    let daily =
        |time: &str| json!({"frequency": "daily", "preferred_time": time, "timezone": "UTC"});
    let first = fixture.set("ann", &daily("12:30")).await;
    assert_eq!(first["already_ran"], Value::Null);
    let before = fixture.set("ann", &daily("12:15")).await;
    assert_eq!(before["already_ran"], Value::Null, "nothing was due yet");
    fixture.clock.set("2026-12-01T12:20:00Z");
    for time in ["13:00", "14:00"] {
        let moved = fixture.set("ann", &daily(time)).await;
        let (told, nominal) = (&moved["already_ran"], format!("2026-12-02T{time}"));
        assert_eq!(moved["next_run"]["nominal"], format!("2026-12-01T{time}"));
        assert_eq!(told["earlier"]["nominal"], "2026-12-01T12:15");
        assert_eq!(
            (&told["then"]["nominal"], &told["then"]["timezone"]),
            (&json!(nominal), &json!("UTC"))
        );
    }
    let tomorrow = fixture.set("ann", &daily("09:00")).await;
    assert_eq!(tomorrow["already_ran"], Value::Null, "tomorrow has had none");
}

#[tokio::test]
async fn a_wrong_preference_names_each_field_and_stores_nothing() {
    let fixture = Fixture::new().await;
    let wrong = json!({"frequency": "daily", "preferred_time": "25:00", "timezone": "Mars/Olympus",
        "preferred_day": 32, "colour": 1});
    let mut pointers = fixture.put(PATH, &wrong).await.pointers();
    pointers.sort();
    assert_eq!(pointers, ["/colour", "/preferred_day", "/preferred_time", "/timezone"]);
    assert_eq!(fixture.put(PATH, &json!(null)).await.pointers(), [""]);
    assert_eq!(fixture.put(PATH, &json!({"enabled": null})).await.pointers(), ["/enabled"]);
    fixture.get(PATH).await.problem(404);
    fixture.get("/tenants/ann/configs/feature_preferences").await.problem(404);
    assert!(fixture.feed().await.is_empty());
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_drops_what_the_new_frequency_does_not_use() {
    let fixture = Fixture::new().await;
    fixture
        .set(
            "ann",
            &json!({"frequency": "weekly", "preferred_day": "monday",
                "template_overrides": {"tone": "dry", "length": "short"}}),
        )
        .await;
    let patch = json!({"frequency": "daily", "template_overrides": {"tone": null}}).to_string();
    let answer = fixture
        .call_with(Method::PATCH, PATH, ("content-type", "application/merge-patch+json"), patch)
        .await;
    assert_eq!((answer.status.as_u16(), &answer.json()["version"]), (200, &json!(2)));
    assert_eq!(
        fixture.get(PATH).await.json(),
        json!({"frequency": "daily", "template_overrides": {"length": "short"}})
    );
    let refused =
        fixture.call(Method::PATCH, PATH, json!({"preferred_day": "monday"}).to_string()).await;
    assert_eq!(refused.pointers(), ["/preferred_day"]);
    assert_eq!(fixture.feed().await.len(), 2);
}

#[tokio::test]
async fn a_patch_needs_something_to_patch_and_a_known_kind_of_body() {
    let fixture = Fixture::new().await;
    fixture.call(Method::PATCH, PATH, "{}").await.problem(404);
    fixture.set("ann", &json!({})).await;
    let request = fixture.request(Method::PATCH, &format!("/api/v1{PATH}"));
    let mut request = request.body(Body::from("{}")).expect("a request");
    request.headers_mut().insert(header::CONTENT_TYPE, "text/plain".parse().expect("a header"));
    fixture.send(request).await.problem(415);
}

#[tokio::test]
async fn preconditions_are_held_against_the_version_that_is_there() {
    let fixture = Fixture::new().await;
    let daily = json!({"frequency": "daily"}).to_string();
    let weekly = json!({"frequency": "weekly"}).to_string();
    fixture.call_with(Method::PUT, PATH, ("if-match", "\"1\""), daily.clone()).await.problem(412);
    assert_eq!(
        fixture.call_with(Method::PUT, PATH, ("if-none-match", "*"), daily.clone()).await.status,
        201
    );
    fixture.call_with(Method::PUT, PATH, ("if-none-match", "*"), weekly.clone()).await.problem(412);
    fixture.call_with(Method::PUT, PATH, ("if-match", "\"2\""), weekly.clone()).await.problem(412);
    fixture
        .call_with(Method::PATCH, PATH, ("if-match", "\"2\""), weekly.clone())
        .await
        .problem(412);
    fixture.call_with(Method::DELETE, PATH, ("if-match", "\"2\""), "").await.problem(412);
    fixture.call_with(Method::PUT, PATH, ("if-match", "1"), weekly.clone()).await.problem(400);
    assert_eq!(fixture.feed().await.len(), 1, "nothing changed");
    assert_eq!(
        fixture.call_with(Method::PUT, PATH, ("if-match", "\"1\""), weekly.clone()).await.status,
        200
    );
    assert_eq!(
        fixture.call_with(Method::GET, PATH, ("if-none-match", "\"2\""), "").await.status,
        304
    );
    assert_eq!(
        fixture.call_with(Method::DELETE, PATH, ("if-match", "\"2\""), "").await.status,
        200
    );
    fixture.call_with(Method::PUT, PATH, ("if-match", "\"3\""), weekly.clone()).await.problem(412);
    let recreated = fixture.call_with(Method::PUT, PATH, ("if-none-match", "*"), weekly).await;
    assert_eq!((recreated.status.as_u16(), recreated.header(header::ETAG)), (201, Some("\"4\"")));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let fixture = Fixture::new().await;
    fixture.get(PATH).await.problem(404);
    fixture.call(Method::DELETE, PATH, "").await.problem(404);
    fixture.set("ann", &json!({})).await;
    fixture.get("/tenants/ann/preferences/other").await.problem(404);
    fixture.call(Method::DELETE, PATH, "").await;
    fixture.get(PATH).await.problem(404);
    fixture.call(Method::DELETE, PATH, "").await.problem(404);
    fixture.get("/tenants/%00/preferences/posts").await.problem(400);
    fixture.get("/tenants/ann/preferences/no%20name").await.problem(400);
}

#[tokio::test]
async fn a_tenant_id_may_hold_a_slash() {
    let fixture = Fixture::new().await;
    fixture.set("org%2Fann%20%C3%BC", &json!({"frequency": "daily"})).await;
    assert_eq!(fixture.feed().await[0]["tenant_id"], "org/ann ü");
}

#[tokio::test]
async fn a_batch_get_answers_each_user_asked_for() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &json!({"frequency": "daily"})).await;
    let request = json!({"feature_type": "posts", "tenant_ids": ["bob", "ann"]});
    let answer =
        fixture.call(Method::POST, "/preferences/batch-get", request.to_string()).await.json();
    let expected = json!([
        {"tenant_id": "bob", "number": null, "version": 0, "preference": null},
        {"tenant_id": "ann", "number": 1, "version": 1, "preference": {"frequency": "daily"}}
    ]);
    assert_eq!(answer["preferences"], expected);
    assert!(answer["position"].as_str().is_some_and(|position| position.contains("-1-")));
}

#[tokio::test]
async fn a_wrong_batch_get_is_refused_with_its_place() {
    let fixture = Fixture::new().await;
    let post = async |body: Value| {
        fixture.call(Method::POST, "/preferences/batch-get", body.to_string()).await
    };
    let many: Vec<_> = (0..1001).map(|number| number.to_string()).collect();
    assert_eq!(
        post(json!({"feature_type": "posts", "tenant_ids": many})).await.pointers(),
        ["/tenant_ids"]
    );
    assert_eq!(
        post(json!({"feature_type": "posts", "tenant_ids": ["ann", ""]})).await.pointers(),
        ["/tenant_ids/1"]
    );
    assert_eq!(
        post(json!({"feature_type": "no name", "tenant_ids": []})).await.pointers(),
        ["/feature_type"]
    );
    assert_eq!(
        post(json!({"feature_type": "posts", "tenant_ids": [], "x": 1})).await.pointers(),
        ["/x"]
    );
}
