//! Documents older than the TTL: confirmed by their `ETag`, and given out as stale while nobody
//! confirms them.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use cohort_config_client::{ClientBuilder, ClientError, ConfigDatabaseClient, UserPreferences};
use cohort_fault_proxy::Fault;
use serde_json::json;

use crate::real::{ConfigDatabase, a_login_page, cut_json};
use crate::server::{Server, change_of, document, eventually, ok, problem};

/// Documents are out of date as soon as they are there.
fn out_of_date(builder: ClientBuilder) -> ConfigDatabaseClient {
    let soon = Duration::from_millis(1);
    builder
        .cache_ttl(soon)
        .breaker_wait(soon)
        .request_timeout(Duration::from_millis(300))
        .build()
        .expect("valid")
}

fn time_of(document: &UserPreferences) -> String {
    document
        .feature("instagram_posts")
        .and_then(|preference| preference.preferred_time)
        .expect("stated")
        .to_string()
}

async fn get(client: &ConfigDatabaseClient) -> UserPreferences {
    client.get_user_preferences("ann").await.expect("a document")
}

/// The document once it is no longer served as fresh.
async fn get_stale(client: &ConfigDatabaseClient) -> UserPreferences {
    eventually(async || Some(get(client).await).filter(UserPreferences::is_stale)).await
}

#[tokio::test]
async fn an_expired_document_is_confirmed_by_its_etag_and_kept() {
    let server = Server::answering(|request| match request.headers.get("if-none-match") {
        Some(etag) if etag == "\"3\"" => {
            (StatusCode::NOT_MODIFIED, [("etag", "\"3\"")]).into_response()
        }
        Some(other) => panic!("{other:?}"),
        None => ([("etag", "\"3\"")], ok(&document("ann", &format!("09:{:02}", request.before))))
            .into_response(),
    })
    .await;
    let client = out_of_date(ConfigDatabaseClient::builder(&server.url));
    eventually(async || {
        let document = get(&client).await;
        assert_eq!(
            (time_of(&document).as_str(), document.is_stale(), document.etag()),
            ("09:00", false, Some("\"3\""))
        );
        (server.received().len() >= 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_expired_document_that_has_changed_is_replaced() {
    let database = ConfigDatabase::new().await;
    let client = out_of_date(database.builder());
    database.set("ann", "09:00").await;
    get(&client).await;
    database.set("ann", "10:00").await;
    eventually(async || (time_of(&get(&client).await) == "10:00").then_some(())).await;
}

#[tokio::test]
async fn the_last_known_document_is_given_out_and_marked_while_the_service_is_away_or_faulty() {
    let database = ConfigDatabase::new().await;
    let client = out_of_date(database.builder());
    database.set("ann", "09:00").await;
    assert!(!get(&client).await.is_stale());
    for fault in [Fault::Refuse, Fault::ResetAfter(20), a_login_page(), cut_json(), Fault::Silence]
    {
        database.proxy.set(fault.clone()).await;
        let document = get_stale(&client).await;
        assert_eq!(time_of(&document), "09:00", "{fault:?}");
        assert!(document.age() >= Duration::from_millis(1));
    }
    database.proxy.set(Fault::None).await;
    eventually(async || (!get(&client).await.is_stale()).then_some(())).await;
}

#[tokio::test]
async fn another_tenants_document_never_replaces_what_is_known() {
    let server = Server::answering(|request| {
        ok(&document(if request.before == 0 { "ann" } else { "bob" }, "09:00"))
    })
    .await;
    let client = out_of_date(ConfigDatabaseClient::builder(&server.url));
    assert_eq!(get(&client).await.tenant_id().as_str(), "ann");
    assert_eq!(get_stale(&client).await.tenant_id().as_str(), "ann");
}

#[tokio::test]
async fn staleness_has_an_end() {
    let server = Server::answering(|request| match request.before {
        0 => ok(&document("ann", "09:00")),
        _ => StatusCode::BAD_GATEWAY.into_response(),
    })
    .await;
    let client =
        out_of_date(ConfigDatabaseClient::builder(&server.url).max_stale(Duration::from_millis(1)));
    get(&client).await;
    eventually(async || client.get_user_preferences("ann").await.err()).await;
}

#[tokio::test]
async fn a_document_that_is_gone_or_forbidden_is_not_given_out() {
    for status in [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN] {
        let server = Server::answering(move |request| match request.before {
            0 => ok(&document("ann", "09:00")),
            1 => problem(status, "no", &json!([])),
            _ => StatusCode::BAD_GATEWAY.into_response(),
        })
        .await;
        let client = out_of_date(ConfigDatabaseClient::builder(&server.url));
        get(&client).await;
        let error = eventually(async || client.get_user_preferences("ann").await.err()).await;
        assert_eq!(error.status(), Some(status));
        if status == StatusCode::NOT_FOUND {
            client.get_user_preferences("ann").await.expect_err("what is gone is forgotten");
        }
    }
}

#[tokio::test]
async fn what_the_feed_says_has_changed_is_not_given_out_as_stale() {
    let server = Server::answering(|request| match request.before {
        0 => ok(&document("ann", "09:00")),
        1 => ok(&change_of("ann")),
        _ => StatusCode::BAD_GATEWAY.into_response(),
    })
    .await;
    let client = ConfigDatabaseClient::builder(&server.url).build().expect("valid");
    get(&client).await;
    client.get_preference_changes(Some("6"), Duration::ZERO).await.expect("answered");
    client.get_user_preferences("ann").await.expect_err("known to be outdated");
}

#[tokio::test]
async fn a_lost_cursor_leaves_documents_to_be_confirmed() {
    let server = Server::answering(|request| match request.before {
        0 => ([("etag", "\"3\"")], ok(&document("ann", "09:00"))).into_response(),
        1 => problem(StatusCode::GONE, "another incarnation", &json!([])),
        _ => (StatusCode::NOT_MODIFIED, [("etag", "\"3\"")]).into_response(),
    })
    .await;
    let client = ConfigDatabaseClient::builder(&server.url).build().expect("valid");
    get(&client).await;
    let error = client.get_preference_changes(Some("6"), Duration::ZERO).await.expect_err("gone");
    assert!(matches!(error, ClientError::Gone { .. }), "{error:?}");
    get(&client).await;
    assert_eq!(server.received()[2].headers["if-none-match"], "\"3\"");
}

#[tokio::test]
async fn documents_beyond_the_bound_of_memory_go() {
    const DOCUMENTS: usize = 2_000;
    let server = Server::answering(|request| {
        let tenant = request.line.split('/').nth(4).expect("a tenant").to_owned();
        ok(&document(&tenant, "09:00"))
    })
    .await;
    // A document weighs more than 512 bytes, so that at most a hundred fit.
    let client =
        ConfigDatabaseClient::builder(&server.url).cache_bytes(50 * 1024).build().expect("valid");
    for _ in 0..2 {
        for number in 0..DOCUMENTS {
            client.get_user_preferences(&format!("u{number}")).await.expect("answered");
        }
    }
    // What is over the bound is let go in batches, so some more than fit may have been found.
    assert!(server.received().len() > DOCUMENTS + DOCUMENTS / 2, "{}", server.received().len());
}
