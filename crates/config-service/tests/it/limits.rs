//! Limits of what a request carries and how many come (W5).

use std::num::NonZeroU32;

use axum::http::{Method, header};
use cohort_config_service::{ConfigService, ConfigServiceOptions};
use serde_json::{Value, json};

use crate::Fixture;

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!({ "in": inner }))
}

#[tokio::test]
async fn a_body_that_is_nested_too_deep_is_refused_where_it_is() {
    let fixture = Fixture::new().await;
    let path = "/tenants/ann/preferences/posts";
    assert_eq!(fixture.put(path, &json!({"template_overrides": nested(63)})).await.status, 201);
    let pointers = fixture.put(path, &json!({"template_overrides": nested(64)})).await.pointers();
    assert!(pointers[0].starts_with("/template_overrides/in/in/"), "{pointers:?}");
    let line = json!({"tenant_id": "ann", "feature_type": "posts",
        "preference": {"template_overrides": nested(64)}});
    let result =
        fixture.call(Method::POST, "/preferences/import", line.to_string()).await.lines().remove(0);
    assert_eq!(result["status"], "refused");
}

#[tokio::test]
async fn a_preference_is_at_most_16_kib_however_it_comes() {
    let fixture = Fixture::new().await;
    let path = "/tenants/ann/preferences/posts";
    let large = |bytes: usize| json!({"template_overrides": {"text": "x".repeat(bytes)}});
    assert_eq!(fixture.put(path, &large(16_000)).await.status, 201);
    assert_eq!(fixture.put(path, &large(16_384)).await.pointers(), [""]);
    let patch = json!({"template_overrides": {"more": "x".repeat(1_000)}}).to_string();
    assert_eq!(fixture.call(Method::PATCH, path, patch).await.pointers(), [""]);
    let document = json!({"config_value": {"posts": large(16_384)}});
    assert_eq!(
        fixture.put("/tenants/ann/configs/feature_preferences", &document).await.pointers(),
        ["/config_value/posts"]
    );
    let line = json!({"tenant_id": "ann", "feature_type": "posts", "preference": large(16_384)});
    let result =
        fixture.call(Method::POST, "/preferences/import", line.to_string()).await.lines().remove(0);
    assert_eq!(result["errors"][0]["pointer"], "/preference");
    assert_eq!(fixture.feed().await.len(), 1);
}

#[tokio::test]
async fn a_document_has_at_most_1000_features() {
    let fixture = Fixture::new().await;
    let document = |features: usize| {
        json!({"config_value": (0..features).map(|i| (format!("f{i}"),
        json!({}))).collect::<serde_json::Map<_, _>>()})
    };
    let path = "/tenants/ann/configs/feature_preferences";
    assert_eq!(fixture.put(path, &document(1_001)).await.pointers(), ["/config_value"]);
    assert_eq!(fixture.put(path, &document(1_000)).await.status, 201);
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_back() {
    let Fixture { folder, clock, key, service, router } = Fixture::new().await;
    drop((service, router));
    let options = ConfigServiceOptions::sqlite(folder.path().join("config.db"), clock.clone());
    let options = ConfigServiceOptions { requests_per_second: NonZeroU32::new(1), ..options };
    let service = ConfigService::open(options).await.expect("opens");
    let fixture = Fixture { router: service.router(), service, key, clock, folder };
    assert_eq!(fixture.get("/api-keys").await.status, 200);
    // One of the two comes within the second after the first, however slow the machine.
    let answers = [fixture.get("/api-keys").await, fixture.get("/api-keys").await];
    let refused = answers.iter().find(|answer| answer.status == 429).expect("one came too soon");
    assert_eq!(refused.header(header::RETRY_AFTER), Some("1"));
}

#[tokio::test]
async fn no_tenant_is_written_that_no_path_can_name() {
    let fixture = Fixture::new().await;
    for id in ["%2E", "%2E%2E"] {
        let problem =
            fixture.put(&format!("/tenants/{id}/preferences/posts"), &json!({})).await.problem(400);
        assert!(
            problem["detail"].as_str().is_some_and(|detail| detail.contains("no path can name")),
            "{problem}"
        );
    }
    for id in [".", ".."] {
        let row = json!({"tenant_id": id, "feature_type": "posts", "preference": {}});
        let document = json!({"tenant_id": id, "config_value": {"posts": {}}});
        let body = format!("{row}\n{document}\n");
        for result in fixture.call(Method::POST, "/preferences/import", body).await.lines() {
            assert_eq!(
                (&result["status"], &result["errors"][0]["pointer"]),
                (&json!("refused"), &json!("/tenant_id"))
            );
        }
    }
}
