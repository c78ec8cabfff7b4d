//! Keys: made, listed, expired, revoked, counted.

use axum::http::Method;
use serde_json::{Value, json};

use crate::Fixture;

/// Makes a key, which must succeed.
pub(crate) async fn make(fixture: &Fixture, body: Value) -> Value {
    let answer = fixture.call(Method::POST, "/api-keys", body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

/// Asks with another key.
async fn verify(fixture: &Fixture, key: &str) -> u16 {
    let request = axum::http::Request::post("/api/v1/api-keys/verify")
        .header("authorization", format!("Bearer {key}"));
    fixture.send(request.body(axum::body::Body::empty()).expect("a request")).await.status.as_u16()
}

/// The text of a key that was made.
pub(crate) fn text(made: &Value) -> &str {
    made["key"].as_str().expect("the text")
}

#[tokio::test]
async fn a_key_is_shown_once_and_listed_without_its_text() {
    let fixture = Fixture::new().await;
    let made = make(
        &fixture,
        json!({"name": "console", "scopes": ["read", "support"], "expires_in": "90d"}),
    )
    .await;
    assert_eq!((&made["name"], &made["scopes"]), (&json!("console"), &json!(["read", "support"])));
    assert_eq!(
        (&made["created_by"], &made["expires_at"]),
        (&json!("admin"), &json!("2027-03-01T12:00:00Z"))
    );
    assert_eq!(verify(&fixture, text(&made)).await, 200);
    let list = fixture.get("/api-keys").await;
    assert_eq!(list.json()["api_keys"].as_array().map(Vec::len), Some(2));
    assert!(!list.text.contains(text(&made)));
}

#[tokio::test]
async fn a_key_is_refused_from_its_end_on() {
    let fixture = Fixture::new().await;
    let made = make(
        &fixture,
        json!({"name": "guest", "scopes": ["read"], "expires_at": "2026-12-02T00:00:00Z"}),
    )
    .await;
    assert_eq!(verify(&fixture, text(&made)).await, 200);
    fixture.clock.set("2026-12-02T00:00:00Z");
    assert_eq!(verify(&fixture, text(&made)).await, 401, "known in memory, and over");
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let fixture = Fixture::new().await;
    let made = make(&fixture, json!({"name": "guest", "scopes": ["read"]})).await;
    assert_eq!(verify(&fixture, text(&made)).await, 200);
    let revoke = async || {
        fixture.call(Method::DELETE, &format!("/api-keys/{}", made["id"]), "").await.json()
    };
    let revoked = revoke().await;
    assert!(revoked["revoked_at"].is_string());
    assert_eq!(verify(&fixture, text(&made)).await, 401);
    assert_eq!(revoke().await["revoked_at"], revoked["revoked_at"], "once is enough");
}

#[tokio::test]
async fn a_key_does_not_revoke_itself_nor_one_that_is_not_there() {
    let fixture = Fixture::new().await;
    fixture.call(Method::DELETE, "/api-keys/1", "").await.problem(409);
    fixture.call(Method::DELETE, "/api-keys/99", "").await.problem(404);
    fixture.call(Method::DELETE, "/api-keys/one", "").await.problem(400);
    assert_eq!(verify(&fixture, &fixture.key).await, 200);
}

#[tokio::test]
async fn a_wrong_request_for_a_key_is_refused_with_its_place() {
    let fixture = Fixture::new().await;
    let wrong = async |body: Value| {
        fixture.call(Method::POST, "/api-keys", body.to_string()).await.pointers()
    };
    assert_eq!(wrong(json!({"name": "", "scopes": ["read"]})).await, ["/name"]);
    assert_eq!(wrong(json!({"name": "x", "scopes": []})).await, ["/scopes"]);
    assert_eq!(wrong(json!({"name": "x", "scopes": ["root"]})).await, ["/scopes/0"]);
    assert_eq!(
        wrong(json!({"name": "x", "scopes": ["read"], "expires_in": null})).await,
        ["/expires_in"]
    );
    assert_eq!(
        wrong(json!({"name": "x", "scopes": ["read"], "expires_in": "3651d"})).await,
        ["/expires_in"]
    );
    assert_eq!(
        wrong(json!({"name": "x", "scopes": ["read"], "expires_at": "2026-12-01T00:00:00Z"})).await,
        ["/expires_at"]
    );
    let both = json!({"name": "x", "scopes": ["read"], "expires_in": "1h",
        "expires_at": "2027-01-01T00:00:00Z"});
    assert_eq!(wrong(both).await, ["/expires_at"]);
}

#[tokio::test]
async fn uses_are_counted_beside_the_requests_and_written_when_the_service_closes() {
    let fixture = Fixture::new().await;
    let made = make(&fixture, json!({"name": "guest", "scopes": ["read"]})).await;
    for _ in 0..3 {
        assert_eq!(verify(&fixture, text(&made)).await, 200);
    }
    fixture.service.shutdown();
    let noted = async || loop {
        let listed = fixture.get("/api-keys").await.json()["api_keys"][1].clone();
        if listed["uses"] == 3 {
            return listed;
        }
        tokio::task::yield_now().await;
    };
    let listed =
        tokio::time::timeout(std::time::Duration::from_mins(1), noted()).await.expect("at once");
    assert!(listed["last_used_at"].is_string());
    let fixture = fixture.reopened().await;
    assert_eq!(fixture.get("/api-keys").await.json()["api_keys"][1]["uses"], 3, "stored");
}
