//! The feed is followed through every fault: nothing is lost, nothing comes out of order, and
//! nobody who says no is asked again.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cohort_config_client::{ClientError, ConfigDatabaseClient, FeedEvent};
use cohort_fault_proxy::Fault;
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};

use crate::real::{ConfigDatabase, a_login_page};
use crate::server::{ReceivedRequest, Server, change_of, ok, problem};

const NEVER: Duration = Duration::from_hours(1);

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

struct Reader {
    events: Pin<Box<dyn Stream<Item = Result<FeedEvent, ClientError>> + Send>>,
    /// Whose changes have come.
    changed: Vec<String>,
}

impl Reader {
    fn of(client: &ConfigDatabaseClient, since: &str) -> Self {
        Self { events: Box::pin(client.follow_changes(since)), changed: Vec::new() }
    }

    async fn next(&mut self) -> Option<Result<FeedEvent, ClientError>> {
        let next = tokio::time::timeout(LONG, self.events.next()).await.expect("something comes");
        if let Some(Ok(FeedEvent::Page { page, .. })) = &next {
            self.changed.extend(
                page.changes
                    .iter()
                    .map(|change| change.tenant_id.as_ref().expect("named").to_string()),
            );
        }
        next
    }

    async fn event(&mut self) -> FeedEvent {
        self.next().await.expect("it goes on").expect("no final error")
    }

    /// The cursor where the feed stands now.
    async fn begin(&mut self) -> String {
        match self.event().await {
            FeedEvent::Page { page, .. } => page.next,
            other => panic!("{other:?}"),
        }
    }

    /// Whose changes have come, once there are so many.
    async fn tenants(&mut self, count: usize) -> &[String] {
        while self.changed.len() < count {
            self.event().await;
        }
        &self.changed
    }

    async fn interruption(&mut self) -> ClientError {
        loop {
            if let FeedEvent::Interrupted(error) = self.event().await {
                return error;
            }
        }
    }
}

/// A client that tries again soon.
fn impatient(database: &ConfigDatabase) -> ConfigDatabaseClient {
    let soon = Duration::from_millis(50);
    database.builder().poll_interval(soon).breaker_wait(soon).build().expect("valid")
}

#[tokio::test]
async fn a_change_is_pushed_and_its_tenant_dropped_from_the_cache() {
    let database = ConfigDatabase::new().await;
    database.set("ann", "09:00").await;
    let client = database.builder().poll_interval(NEVER).build().expect("valid");
    let mut reader = Reader::of(&client, "now");
    reader.begin().await;
    client.get_user_preferences("ann").await.expect("there");
    database.set("ann", "10:00").await;
    assert_eq!(reader.tenants(1).await, ["ann"]);
    let document = client.get_user_preferences("ann").await.expect("there");
    let time = document
        .feature("instagram_posts")
        .and_then(|preference| preference.preferred_time)
        .expect("stated");
    assert_eq!(time.to_string(), "10:00");
}

#[tokio::test]
async fn connections_cut_anywhere_lose_no_change_and_repeat_none() {
    let database = ConfigDatabase::new().await;
    let mut reader = Reader::of(&impatient(&database), "now");
    reader.begin().await;
    let mut expected = Vec::new();
    for cut in [0, 1, 17, 150, 300, 500, 700, 1200] {
        database.proxy.set(Fault::ResetAfter(cut)).await;
        for number in 0..3 {
            let tenant = format!("u{cut}-{number}");
            database.set(&tenant, "09:00").await;
            expected.push(tenant);
        }
        // Whether something came through or not: it is met with this cut.
        reader.event().await;
    }
    database.proxy.set(Fault::None).await;
    assert_eq!(reader.tenants(expected.len()).await, expected);
}

#[tokio::test]
async fn a_connection_that_stands_and_carries_nothing_is_noticed() {
    let database = ConfigDatabase::new().await;
    let client = database
        .builder()
        .poll_interval(NEVER)
        .longest_silence(Duration::from_millis(300))
        .build()
        .expect("valid");
    let mut reader = Reader::of(&client, "now");
    reader.begin().await;
    database.proxy.set(Fault::Silence).await;
    database.proxy.set(Fault::None).await;
    database.set("ann", "09:00").await;
    assert_eq!(reader.tenants(1).await, ["ann"]);
}

#[tokio::test]
async fn a_service_that_is_away_is_told_of_and_missed_nothing_when_it_is_back() {
    let database = ConfigDatabase::new().await;
    let client = impatient(&database);
    let mut reader = Reader::of(&client, "now");
    reader.begin().await;
    database.proxy.set(Fault::Refuse).await;
    assert!(reader.interruption().await.is_transient());
    database.set("ann", "09:00").await;
    database.set("bob", "09:00").await;
    database.proxy.set(Fault::None).await;
    assert_eq!(reader.tenants(2).await, ["ann", "bob"]);
}

#[tokio::test]
async fn a_page_that_is_no_feed_is_not_taken_for_one() {
    let database = ConfigDatabase::new().await;
    let client = impatient(&database);
    let mut reader = Reader::of(&client, "now");
    reader.begin().await;
    database.proxy.set(a_login_page()).await;
    database.proxy.reset_open_connections();
    database.set("ann", "09:00").await;
    // A connection that was open may fail in its own way first.
    let page_met =
        async { while !matches!(reader.interruption().await, ClientError::Garbage { .. }) {} };
    tokio::time::timeout(LONG, page_met).await.expect("it is met by whoever connects anew");
    database.proxy.set(Fault::None).await;
    assert_eq!(reader.tenants(1).await, ["ann"]);
}

#[tokio::test]
async fn a_cursor_that_is_gone_leads_to_a_new_one_and_to_reading_everything_anew() {
    let database = ConfigDatabase::new().await;
    database.set("ann", "09:00").await;
    let client = impatient(&database);
    let mut reader = Reader::of(&client, "00000000-1");
    let FeedEvent::Resynchronise { next, .. } = reader.event().await else {
        panic!("told at once")
    };
    assert_eq!(
        next,
        client.get_frequency_groups("instagram_posts").await.expect("listed").position
    );
    database.set("bob", "09:00").await;
    assert_eq!(reader.tenants(1).await, ["bob"]);
}

#[tokio::test]
async fn a_refused_key_ends_it_after_one_request() {
    let server =
        Server::answering(|_| problem(StatusCode::UNAUTHORIZED, "unknown key", &json!([]))).await;
    let mut reader = Reader::of(&server.client(), "now");
    let error = reader.next().await.expect("an answer").expect_err("refused");
    assert!(
        matches!(error, ClientError::Denied { .. })
            && error.to_string().contains("CONFIG_SERVICE_API_KEY"),
        "{error}"
    );
    assert!(reader.next().await.is_none());
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_cursor_that_makes_no_sense_ends_it() {
    let database = ConfigDatabase::new().await;
    let client = database.builder().build().expect("valid");
    let mut reader = Reader::of(&client, "nonsense");
    let error = reader.next().await.expect("an answer").expect_err("refused");
    assert_eq!(error.status(), Some(StatusCode::BAD_REQUEST));
    assert!(reader.next().await.is_none());
}

#[tokio::test]
async fn a_shutdown_of_the_service_ends_a_stream_that_goes_on_with_the_last_event_id() {
    let server = Server::answering(|request| match request.before {
        0 => events(&[position("7")]),
        _ => events_that_stay_open(&[event("change", &change("8", "ann")), position("8")]),
    })
    .await;
    let mut reader = Reader::of(&server.client(), "6");
    assert_eq!(reader.begin().await, "7");
    assert_eq!(reader.tenants(1).await, ["ann"]);
    let requests = server.received();
    assert_eq!(requests[0].line, "GET /api/v1/preferences/changes/stream?since_id=6");
    assert!(!requests[0].headers.contains_key("last-event-id"));
    assert_eq!(requests[1].headers["last-event-id"], "7");
    assert_eq!(requests[1].headers["accept"], "text/event-stream");
}

#[tokio::test]
async fn where_events_do_not_get_through_it_is_polled_until_they_do() {
    let html = || ([("content-type", "text/html")], "<html>").into_response();
    let held_back = || events_that_stay_open(&[]);
    let missing = || StatusCode::NOT_FOUND.into_response();
    for (number, obstacle) in [html as fn() -> Response, held_back, missing].into_iter().enumerate()
    {
        let server =
            Server::answering(move |request| match (is_stream(&request), request.before) {
                (true, before) if before < 6 => obstacle(),
                (true, _) => {
                    events_that_stay_open(&[event("change", &change("8", "pushed")), position("8")])
                }
                (false, before) if before < 2 => ok(&page(&[change("7", "polled")], "7")),
                (false, _) => ok(&page(&[], "7")),
            })
            .await;
        let builder = ConfigDatabaseClient::builder(&server.url).api_key("hunter2");
        let short = Duration::from_millis(50);
        let client = builder.poll_interval(short).longest_silence(short).build().expect("valid");
        let mut reader = Reader::of(&client, "6");
        assert_eq!(reader.tenants(2).await, ["polled", "pushed"], "obstacle {number}");
    }
}

#[tokio::test]
async fn an_event_that_is_cut_or_runs_backwards_moves_nothing() {
    let cut = event("change", &change("7", "cut")).replace("\"kind\"", "");
    let backwards = event("change", &change("3", "backwards"));
    let back_to_the_beginning = position("2");
    let another_page = "event: change\ndata: <html>\n\n".to_owned();
    for wrong in [cut, backwards, back_to_the_beginning, another_page] {
        let sent = wrong.clone();
        let server = Server::answering(move |request| match request.before {
            0 => events(&[sent.clone(), position("9")]),
            _ if is_stream(&request) => events_that_stay_open(&[]),
            _ => ok(&page(&[change("7", "ann")], "7")),
        })
        .await;
        let mut reader = Reader::of(&server.client(), "6");
        let FeedEvent::Page { since, page } = reader.event().await else { panic!("a page") };
        assert_eq!((since.as_str(), page.changes.len()), ("6", 1), "{wrong}");
        assert!(server.lines()[1].ends_with("since_id=6"), "{wrong}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_in_the_middle_of_a_page_gives_nothing_of_it() {
    let server = Server::answering(|request| match request.before {
        0 => events(&[event("change", &change("7", "ann"))]),
        _ => ok(&page(&[change("7", "ann"), change("8", "bob")], "8")),
    })
    .await;
    let mut reader = Reader::of(&server.client(), "6");
    let FeedEvent::Page { since, page } = reader.event().await else { panic!("a page") };
    assert_eq!((since.as_str(), page.changes.len()), ("6", 2));
}

#[tokio::test]
async fn a_stream_that_says_gone_leads_to_a_new_cursor() {
    let server = Server::answering(|request| match request.before {
        0 => events(&[position("7"), event("gone", &json!("no longer kept"))]),
        _ if is_stream(&request) => events_that_stay_open(&[position("20")]),
        _ => ok(&page(&[], "20")),
    })
    .await;
    let mut reader = Reader::of(&server.client(), "6");
    reader.begin().await;
    let FeedEvent::Resynchronise { next, .. } = reader.event().await else {
        panic!("told at once")
    };
    assert_eq!(next, "20");
    assert!(server.lines()[1].ends_with("since_id=now"));
}

#[tokio::test]
async fn a_page_that_runs_backwards_is_refused_by_a_poll_too() {
    let server = Server::answering(|_| ok(&change_of("user123"))).await;
    let error = server
        .client()
        .get_preference_changes(Some("9"), Duration::ZERO)
        .await
        .expect_err("it says 7");
    assert!(error.to_string().contains("backwards"), "{error}");
}

fn is_stream(request: &ReceivedRequest) -> bool {
    request.line.contains("/changes/stream")
}

fn change(id: &str, tenant: &str) -> Value {
    let mut change = change_of(tenant)["changes"][0].clone();
    change["id"] = json!(id);
    change
}

fn page(changes: &[Value], next: &str) -> Value {
    json!({"changes": changes, "next": next, "complete_until": "2026-12-01T00:00:00Z"})
}

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn position(next: &str) -> String {
    event("position", &json!({"next": next, "complete_until": "2026-12-01T00:00:00Z"}))
}

/// A stream that ends behind these events.
fn events(events: &[String]) -> Response {
    ([("content-type", "text/event-stream")], events.concat()).into_response()
}

fn events_that_stay_open(events: &[String]) -> Response {
    let begun = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(events.concat())]);
    (
        [("content-type", "text/event-stream")],
        Body::from_stream(begun.chain(futures_util::stream::pending())),
    )
        .into_response()
}
