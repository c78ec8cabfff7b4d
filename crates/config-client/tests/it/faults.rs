//! Responses that are refusals, faults or not the Config Database's at all.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cohort_config_client::{ClientError, ConfigDatabaseClient};
use serde_json::json;

use crate::server::{Server, document, ok, problem};

async fn error_of(answer: impl Fn() -> Response + Send + Sync + 'static) -> (ClientError, usize) {
    let server = Server::answering(move |_| answer()).await;
    let error = server.client().get_user_preferences("user123").await.expect_err("no document");
    (error, server.received().len())
}

fn text_of(error: &ClientError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error} {cause} {error:?}")
}

#[tokio::test]
async fn a_fault_that_passes_is_not_seen_by_the_caller() {
    let server = Server::answering(|request| match request.before {
        0 => StatusCode::BAD_GATEWAY.into_response(),
        1 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")]).into_response(),
        _ => ok(&document("user123", "09:00")),
    })
    .await;
    server.client().get_user_preferences("user123").await.expect("the third attempt");
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
async fn a_fault_that_stays_is_transient_after_three_attempts() {
    let (error, attempts) =
        error_of(|| problem(StatusCode::INTERNAL_SERVER_ERROR, "disk full", &json!([]))).await;
    assert!(error.is_transient());
    assert!(error.to_string().contains("disk full"), "{error}");
    assert_eq!(attempts, 3);
}

#[tokio::test]
async fn a_long_retry_after_is_left_to_the_caller() {
    let (error, attempts) =
        error_of(|| (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "120")]).into_response())
            .await;
    assert_eq!(error.retry_after(), Some(Duration::from_mins(2)));
    assert_eq!(attempts, 1);
}

#[tokio::test]
async fn a_refusal_is_final_and_names_the_fields() {
    let server = Server::answering(|_| {
        let errors = json!([{"pointer": "/preferred_time", "detail": "expected a time HH:MM"}]);
        problem(StatusCode::UNPROCESSABLE_ENTITY, "1 field is wrong", &errors)
    })
    .await;
    let preference = json!({"frequency": "daily", "preferred_time": "25:00"});
    let error = server
        .client()
        .set_feature_preference("user123", "instagram_posts", &preference)
        .await
        .expect_err("wrong");
    assert_eq!(server.received().len(), 1);
    assert!(!error.is_transient());
    let ClientError::Refused { problem, .. } = error else { panic!("{error:?}") };
    assert_eq!(problem.errors[0].pointer, "/preferred_time");
}

#[tokio::test]
async fn a_put_is_tried_again_and_a_delete_is_not() {
    let server = Server::answering(|_| StatusCode::BAD_GATEWAY.into_response()).await;
    let client = server.client();
    client.set_feature_preference("user123", "f", &json!({})).await.expect_err("unavailable");
    assert_eq!(server.received().len(), 3);
    client.delete_user_preferences("user123").await.expect_err("unavailable");
    assert_eq!(server.received().len(), 4);
}

#[tokio::test]
async fn a_refused_key_is_named_by_its_variable_and_never_shown() {
    let (error, attempts) =
        error_of(|| problem(StatusCode::UNAUTHORIZED, "unknown key", &json!([]))).await;
    assert!(error.to_string().contains("CONFIG_SERVICE_API_KEY"), "{error}");
    assert!(!text_of(&error).contains("hunter2"));
    assert_eq!(attempts, 1);
}

#[tokio::test]
async fn a_call_without_a_key_is_told_so() {
    let server = Server::answering(|_| StatusCode::UNAUTHORIZED.into_response()).await;
    let client = ConfigDatabaseClient::builder(&server.url).build().expect("valid");
    let error = client.get_user_preferences("user123").await.expect_err("no key");
    assert!(error.to_string().contains("none was sent"), "{error}");
}

#[tokio::test]
async fn a_response_that_no_config_database_sends_is_named() {
    let page = || ([("content-type", "text/html")], "<html>Welcome</html>").into_response();
    let cut =
        || ([("content-type", "application/json")], r#"{"tenant_id":"user123","#).into_response();
    let other = || ok(&document("somebody-else", "09:00"));
    let answers = [
        (page as fn() -> Response, "not JSON"),
        (cut, "not JSON"),
        (other, "another tenant"),
        (|| StatusCode::NOT_FOUND.into_response(), "404"),
    ];
    for (answer, named) in answers {
        let (error, attempts) = error_of(answer).await;
        assert!(matches!(error, ClientError::Garbage { .. }), "{error:?}");
        assert!(error.to_string().contains(named), "{error}");
        assert!(error.to_string().contains("CONFIG_SERVICE_URL"), "{error}");
        assert!(!error.is_transient());
        assert_eq!(attempts, 1);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (error, attempts) =
        error_of(|| (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]).into_response())
            .await;
    assert!(matches!(error, ClientError::Garbage { .. }), "{error:?}");
    assert_eq!(attempts, 1);
}

#[tokio::test]
async fn nobody_listening_is_transient_and_names_the_cause() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/api/v1", listener.local_addr().expect("bound"));
    drop(listener);
    let client = ConfigDatabaseClient::builder(url).api_key("hunter2").build().expect("valid");
    let error = client.get_user_preferences("user123").await.expect_err("nobody there");
    assert!(error.is_transient());
    assert!(error.to_string().starts_with("GET /tenants/user123/"), "{error}");
    assert!(!text_of(&error).contains("hunter2"));
}

#[tokio::test]
async fn names_that_no_path_can_hold_are_refused_before_anything_is_sent() {
    let server = Server::answering(|_| ok(&json!({}))).await;
    let client = server.client();
    for tenant in ["", "a\nb", ".", ".."] {
        client.get_user_preferences(tenant).await.expect_err("no name for a path");
    }
    client.get_frequency_groups("instagram posts").await.expect_err("no feature type");
    assert!(server.received().is_empty());
}
