//! Signed links over REST.

use axum::http::Method;
use serde_json::json;

use crate::Fixture;

/// A link to this tenant's preferences.
pub(crate) async fn link(fixture: &Fixture, tenant: &str) -> String {
    let answer = fixture
        .call(
            Method::POST,
            &format!("/tenants/{tenant}/links"),
            json!({"expires_in": "72h"}).to_string(),
        )
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.json()["expires_at"], "2026-12-04T12:00:00Z");
    answer.json()["token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn what_is_written_through_a_link_names_no_person_in_the_history() {
    let mut fixture = Fixture::new().await;
    let admin = fixture.key.clone();
    fixture.key = link(&fixture, "ann").await;
    fixture.set("ann", &json!({"frequency": "daily"})).await;
    assert_eq!(
        fixture.get("/tenants/ann/preferences/posts").await.json(),
        json!({"frequency": "daily"})
    );
    fixture.key = admin;
    let history = fixture.get("/tenants/ann/history").await.json();
    assert_eq!(history["history"][0]["actor"], "link");
}

#[tokio::test]
async fn a_link_ends() {
    let mut fixture = Fixture::new().await;
    fixture.key = link(&fixture, "ann").await;
    fixture.get("/tenants/ann/preferences/posts").await.problem(404);
    fixture.clock.set("2026-12-04T12:00:00Z");
    fixture.get("/tenants/ann/preferences/posts").await.problem(401);
}

#[tokio::test]
async fn a_link_opens_nothing_in_another_database() {
    let fixture = Fixture::new().await;
    let mut other = Fixture::new().await;
    other.key = link(&fixture, "ann").await;
    other.get("/tenants/ann/preferences/posts").await.problem(401);
}

#[tokio::test]
async fn a_link_lasts_thirty_days_at_most() {
    let fixture = Fixture::new().await;
    for wrong in
        [json!({"expires_in": "31d"}), json!({"expires_in": "soon"}), json!({"expires_in": 3})]
    {
        let answer = fixture.call(Method::POST, "/tenants/ann/links", wrong.to_string()).await;
        assert_eq!(answer.pointers(), ["/expires_in"]);
    }
}

#[tokio::test]
async fn a_link_does_not_outlive_its_tenant() {
    let mut fixture = Fixture::new().await;
    let (admin, old) = (fixture.key.clone(), link(&fixture, "ann").await);
    assert_eq!(fixture.call(Method::DELETE, "/tenants/ann", "").await.status, 200);
    fixture.key.clone_from(&old);
    fixture.call(Method::PUT, "/tenants/ann/preferences/posts", "{}").await.problem(401);
    fixture.key = admin;
    fixture.set("ann", &json!({"frequency": "daily"})).await;
    fixture.key = old;
    fixture.get("/tenants/ann/preferences/posts").await.problem(401);
}
