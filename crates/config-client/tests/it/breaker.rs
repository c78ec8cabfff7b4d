//! After too many failures nothing is sent for a while.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use cohort_config_client::{ClientError, ConfigDatabaseClient};
use serde_json::json;

use crate::server::{Server, document, eventually, ok, problem};

#[tokio::test]
async fn a_service_that_keeps_failing_is_left_alone_until_it_has_had_time() {
    let server = Server::answering(|request| match request.before {
        before if before < 11 => StatusCode::BAD_GATEWAY.into_response(),
        _ => ok(&document("user123", "09:00")),
    })
    .await;
    let client = ConfigDatabaseClient::builder(&server.url)
        .breaker_wait(Duration::from_secs(2))
        .build()
        .expect("valid");
    let opened =
        async || match client.get_user_preferences("user123").await.expect_err("the service fails")
        {
            error @ ClientError::CircuitOpen { .. } => Some(error),
            _ => None,
        };
    let error = eventually(opened).await;
    assert!(error.is_transient() && error.to_string().contains("not sent"), "{error}");
    assert_eq!(server.received().len(), 11);
    client.get_user_preferences("user123").await.expect_err("still open");
    assert_eq!(server.received().len(), 11, "and nothing was sent");
    eventually(async || client.get_user_preferences("user123").await.ok()).await;
}

#[tokio::test]
async fn refusals_and_waits_that_the_service_asks_for_do_not_count_as_failures() {
    let server = Server::answering(|request| match request.before % 2 {
        0 => problem(StatusCode::NOT_FOUND, "no such tenant", &json!([])),
        _ => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "60")]).into_response(),
    })
    .await;
    let client = server.client();
    for _ in 0..40 {
        let error = client.get_user_preferences("user123").await.expect_err("refused");
        assert!(!matches!(error, ClientError::CircuitOpen { .. }));
    }
    assert_eq!(server.received().len(), 40);
}
