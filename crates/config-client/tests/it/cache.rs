//! What is served from the cache, and when it no longer may be.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use cohort_config_client::{ClientError, ConfigDatabaseClient};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::server::{Server, change_of, document, eventually, ok, problem, receipt};

const GET: &str = "GET /api/v1/tenants/user123/configs/feature_preferences";

/// A server that returns documents whose time counts the requests, changes of user123, and
/// receipts.
async fn counting() -> Server {
    Server::answering(|request| match request.line.as_str() {
        GET => ok(&document("user123", &format!("09:{:02}", request.before))),
        line if line.starts_with("GET /api/v1/preferences/changes") => ok(&change_of("user123")),
        _ => ok(&receipt()),
    })
    .await
}

async fn time_of(client: &ConfigDatabaseClient) -> String {
    let document = client.get_user_preferences("user123").await.expect("answered");
    let preference = document.feature("instagram_posts").expect("stated");
    preference.preferred_time.expect("stated").to_string()
}

#[tokio::test]
async fn a_document_is_asked_for_once_and_then_served_from_the_cache() {
    let server = counting().await;
    let client = server.client();
    assert_eq!(time_of(&client).await, "09:00");
    assert_eq!(time_of(&client.clone()).await, "09:00");
    assert_eq!(server.lines(), [GET]);
}

#[tokio::test]
async fn a_hundred_calls_at_once_make_one_request() {
    let server = counting().await;
    let client = server.client();
    let times = futures_util::future::join_all((0..100).map(|_| time_of(&client))).await;
    assert!(times.iter().all(|time| time == "09:00"));
    assert_eq!(server.lines(), [GET]);
}

#[tokio::test]
async fn a_document_older_than_the_ttl_is_asked_for_again() {
    let server = counting().await;
    let client = ConfigDatabaseClient::builder(&server.url)
        .cache_ttl(Duration::from_millis(1))
        .build()
        .expect("valid");
    eventually(async || (time_of(&client).await != "09:00").then_some(())).await;
}

#[tokio::test]
async fn a_ttl_of_zero_keeps_nothing() {
    let server = counting().await;
    let client = ConfigDatabaseClient::builder(&server.url)
        .cache_ttl(Duration::ZERO)
        .build()
        .expect("valid");
    assert_eq!(time_of(&client).await, "09:00");
    assert_eq!(time_of(&client).await, "09:01");
}

#[tokio::test]
async fn a_change_in_the_feed_drops_the_document_of_its_tenant() {
    let server = counting().await;
    let client = server.client();
    time_of(&client).await;
    client.get_preference_changes(Some("6"), Duration::ZERO).await.expect("answered");
    assert_eq!(time_of(&client).await, "09:02");
}

#[tokio::test]
async fn a_write_drops_the_document() {
    let server = counting().await;
    let client = server.client();
    time_of(&client).await;
    let preference = json!({"frequency": "weekly"});
    client.set_feature_preference("user123", "instagram_posts", &preference).await.expect("stored");
    assert_eq!(time_of(&client).await, "09:02");
    client.delete_feature_preference("user123", "instagram_posts").await.expect("deleted");
    assert_eq!(time_of(&client).await, "09:04");
}

#[tokio::test]
async fn an_answer_that_was_under_way_when_its_tenant_changed_is_not_kept() {
    let (arrived, release) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (at_server, released) = (Arc::clone(&arrived), Arc::clone(&release));
    let server = Server::answering_later(move |request| {
        let (arrived, release) = (Arc::clone(&at_server), Arc::clone(&released));
        async move {
            if request.line != GET {
                return ok(&change_of("user123"));
            }
            arrived.add_permits(1);
            release.acquire().await.expect("open").forget();
            ok(&document("user123", &format!("09:{:02}", request.before)))
        }
    })
    .await;
    let client = server.client();
    let slow = tokio::spawn({
        let client = client.clone();
        async move { time_of(&client).await }
    });
    arrived.acquire().await.expect("open").forget();
    client.get_preference_changes(Some("6"), Duration::ZERO).await.expect("answered");
    release.add_permits(2);
    assert_eq!(slow.await.expect("no panic"), "09:00");
    assert_eq!(time_of(&client).await, "09:02");
}

#[tokio::test]
async fn a_lost_cursor_has_everything_asked_for_again() {
    let server = Server::answering(|request| match request.line.as_str() {
        GET => ok(&document("user123", &format!("09:{:02}", request.before))),
        _ => problem(StatusCode::GONE, "another incarnation", &json!([])),
    })
    .await;
    let client = server.client();
    time_of(&client).await;
    let error = client.get_preference_changes(Some("6"), Duration::ZERO).await.expect_err("gone");
    assert!(matches!(error, ClientError::Gone { .. }), "{error:?}");
    assert_eq!(time_of(&client).await, "09:02");
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let server = Server::answering(|request| match request.before {
        0 => problem(StatusCode::NOT_FOUND, "no such tenant", &json!([])),
        _ => ok(&document("user123", "09:00")),
    })
    .await;
    let client = server.client();
    client.get_user_preferences("user123").await.expect_err("unknown");
    assert_eq!(time_of(&client).await, "09:00");
}
