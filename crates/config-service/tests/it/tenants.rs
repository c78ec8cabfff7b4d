//! Tenants: profile, list, history, revert, export, erasure, and all documents as one stream.

use axum::http::{Method, header};
use serde_json::{Value, json};

use crate::Fixture;

async fn post(fixture: &Fixture, path: &str, body: Value) -> crate::Answer {
    fixture.call(Method::POST, path, body.to_string()).await
}

#[tokio::test]
async fn a_profile_reads_back_and_another_zone_moves_the_user_who_states_none() {
    let fixture = Fixture::new().await;
    let path = "/tenants/ann";
    fixture.get(path).await.problem(404);
    let profile = json!({"timezone": "Europe/Berlin", "labels": {"plan": "free"}});
    assert_eq!(fixture.put(path, &profile).await.status, 201);
    fixture.set("ann", &json!({"frequency": "daily", "preferred_time": "09:00"})).await;
    let moved = fixture
        .call_with(
            Method::PUT,
            path,
            ("if-match", "\"1\""),
            json!({"timezone": "Asia/Tokyo"}).to_string(),
        )
        .await;
    assert_eq!(moved.json()["features"]["posts"]["next_run"]["timezone"], "Asia/Tokyo");
    fixture
        .call_with(Method::PUT, path, ("if-match", "\"1\""), profile.to_string())
        .await
        .problem(412);
    let read = fixture.get(path).await;
    assert_eq!(
        (read.header(header::ETAG), &read.json()["timezone"], &read.json()["labels"]),
        (Some("\"2\""), &json!("Asia/Tokyo"), &json!({}))
    );
    assert_eq!(
        fixture.call_with(Method::GET, path, ("if-none-match", "\"2\""), "").await.status,
        304
    );
    assert_eq!(
        fixture.put(path, &json!({"timezone": "Mars", "x": 1})).await.pointers(),
        ["/x", "/timezone"]
    );
}

#[tokio::test]
async fn tenants_are_members_of_static_jobs_whatever_they_prefer() {
    let fixture = Fixture::new().await;
    fixture
        .put("/tenants/ann", &json!({"timezone": "Europe/Berlin", "labels": {"plan": "free"}}))
        .await;
    fixture.set("bob", &json!({"frequency": "daily"})).await;
    let as_of = cohort_preferences::Clock::now(&*fixture.clock);
    let members = async |filter: Value| {
        let answer =
            post(&fixture, "/all-tenants/members", json!({"filter": filter, "as_of": as_of}))
                .await
                .json();
        assert_eq!(answer["next_cursor"], Value::Null);
        let names = answer["members"]
            .as_array()
            .expect("members")
            .iter()
            .map(|member| member["tenant_id"].clone());
        (names.collect::<Vec<_>>(), answer["count_as_of"].clone())
    };
    assert_eq!(members(json!({})).await, (vec![json!("ann"), json!("bob")], json!(2)));
    assert_eq!(members(json!({"unstated": "posts"})).await, (vec![json!("ann")], json!(1)));
    assert_eq!(members(json!({"timezones": ["-"]})).await, (vec![json!("bob")], json!(1)));
    assert_eq!(
        members(json!({"labels": {"plan": "free"}, "tenant_ids": ["bob"]})).await,
        (vec![], json!(0))
    );
    let zones = fixture.get("/all-tenants/timezones").await.json();
    let zones: Vec<_> = zones["timezones"]
        .as_array()
        .expect("zones")
        .iter()
        .map(|zone| zone["timezone"].clone())
        .collect();
    assert_eq!(zones.len(), 2);
    assert!(zones.contains(&json!("-")) && zones.contains(&json!("Europe/Berlin")));
    let refused = async |body: Value| post(&fixture, "/all-tenants/members", body).await;
    assert_eq!(
        refused(json!({"as_of": as_of, "filter": {"zones": []}})).await.pointers(),
        ["/filter/zones"]
    );
    assert_eq!(
        refused(json!({"as_of": as_of, "filter": {"timezones": ["Mars"]}})).await.pointers(),
        ["/filter/timezones/0"]
    );
    let many: Vec<_> = (0..1001).map(|number| number.to_string()).collect();
    assert_eq!(
        refused(json!({"as_of": as_of, "filter": {"tenant_ids": many}})).await.pointers(),
        ["/filter/tenant_ids"]
    );
}

#[tokio::test]
async fn a_label_of_many_tenants_is_read_in_the_order_asked() {
    let fixture = Fixture::new().await;
    fixture.put("/tenants/ann", &json!({"labels": {"plan": "free", "org": "acme"}})).await;
    fixture.put("/tenants/bob", &json!({"labels": {"plan": "pro"}})).await;
    let asked = async |body: Value| post(&fixture, "/all-tenants/label-values", body).await;
    let values =
        asked(json!({"label": "org", "tenant_ids": ["nobody", "ann", "bob", "ann"]})).await.json();
    assert_eq!(values, json!({"values": [null, "acme", null, "acme"]}));
    assert_eq!(asked(json!({"label": "Org", "tenant_ids": []})).await.pointers(), ["/label"]);
    let many: Vec<_> = (0..1001).map(|number| number.to_string()).collect();
    assert_eq!(
        asked(json!({"label": "org", "tenant_ids": many})).await.pointers(),
        ["/tenant_ids"]
    );
}

#[tokio::test]
async fn tenants_are_found_by_id_and_label_in_pages() {
    let fixture = Fixture::new().await;
    for (tenant, plan) in [("ann", "free"), ("anton", "pro"), ("bob", "free")] {
        fixture.put(&format!("/tenants/{tenant}"), &json!({"labels": {"plan": plan}})).await;
    }
    let ids = |answer: &Value| {
        let tenants = answer["tenants"].as_array().expect("tenants").iter();
        tenants
            .map(|tenant| tenant["tenant_id"].as_str().expect("an id").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&fixture.get("/tenants?q=an").await.json()), ["ann", "anton"]);
    assert_eq!(ids(&fixture.get("/tenants?label=plan:free").await.json()), ["ann", "bob"]);
    let page = fixture.get("/tenants?limit=2").await.json();
    let next = page["next_cursor"].as_str().expect("a cursor");
    let rest = fixture.get(&format!("/tenants?limit=2&cursor={next}")).await.json();
    assert_eq!(
        (ids(&page).len(), ids(&rest), &rest["next_cursor"]),
        (2, vec!["bob".to_owned()], &Value::Null)
    );
    fixture.get("/tenants?label=plan").await.problem(400);
    fixture.get("/tenants?limit=0").await.problem(400);
}

#[tokio::test]
async fn a_history_is_listed_and_a_preference_reverted() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &json!({"frequency": "daily"})).await;
    fixture.set("ann", &json!({"frequency": "weekly"})).await;
    let history = fixture.get("/tenants/ann/history?feature_type=posts&limit=1").await.json();
    let newest = &history["history"][0];
    assert_eq!(
        (&newest["before"], &newest["after"]),
        (&json!({"frequency": "daily"}), &json!({"frequency": "weekly"}))
    );
    assert_eq!((&newest["actor"], &newest["version"]), (&json!("admin"), &json!(2)));
    let next = history["next_cursor"].as_str().expect("a cursor");
    let history = fixture.get(&format!("/tenants/ann/history?cursor={next}")).await.json();
    assert_eq!(history["history"][0]["version"], 1);
    let body = json!({"feature_type": "posts", "to_version": 1});
    let reverted = post(&fixture, "/tenants/ann/revert", body).await;
    assert_eq!((reverted.status.as_u16(), reverted.header(header::ETAG)), (200, Some("\"3\"")));
    assert_eq!(
        fixture.get("/tenants/ann/preferences/posts").await.json(),
        json!({"frequency": "daily"})
    );
    post(&fixture, "/tenants/ann/revert", json!({"feature_type": "posts", "to_version": 9}))
        .await
        .problem(404);
    assert_eq!(
        post(&fixture, "/tenants/ann/revert", json!({"feature_type": "posts"}))
            .await
            .pointers()
            .len(),
        1
    );
}

#[tokio::test]
async fn an_export_has_everything_and_an_erasure_leaves_nothing() {
    let fixture = Fixture::new().await;
    fixture.put("/tenants/ann", &json!({"labels": {"plan": "free"}})).await;
    fixture.set("ann", &json!({"frequency": "daily"})).await;
    let export = fixture.get("/tenants/ann/export").await.json();
    assert_eq!(
        (&export["labels"]["plan"], &export["preferences"]["posts"]["frequency"]),
        (&json!("free"), &json!("daily"))
    );
    assert_eq!(export["history"].as_array().map(Vec::len), Some(2));
    let receipt = fixture.call(Method::DELETE, "/tenants/ann", "").await;
    assert_eq!(receipt.json()["preferences"], 1);
    for path in ["/tenants/ann", "/tenants/ann/export", "/tenants/ann/preferences/posts"] {
        fixture.get(path).await.problem(404);
    }
    fixture.call(Method::DELETE, "/tenants/ann", "").await.problem(404);
    assert!(!fixture.get("/preferences/changes").await.text.contains("ann"));
}

#[tokio::test]
async fn all_documents_come_as_lines_that_import_again() {
    let fixture = Fixture::new().await;
    for tenant in 0..1_003 {
        // Some have no document: a page may be without lines and is not the end.
        fixture.put(&format!("/tenants/t{tenant}"), &json!({})).await;
    }
    fixture.set("ann", &json!({"frequency": "daily"})).await;
    fixture.set("bob", &json!({"enabled": false})).await;
    let answer = fixture.get("/configs/feature_preferences/all-tenants").await;
    assert_eq!(
        answer.lines().iter().map(|line| &line["tenant_id"]).collect::<Vec<_>>(),
        ["ann", "bob"]
    );
    let other = Fixture::new().await;
    let results = other.call(Method::POST, "/preferences/import", answer.text).await.lines();
    assert!(results.iter().all(|result| result["status"] == "stored"), "{results:?}");
    fixture.get("/configs/other/all-tenants").await.problem(404);
}
