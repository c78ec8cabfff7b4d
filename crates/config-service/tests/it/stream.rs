//! The feed as server-sent events. Time is paused: a stream's ten minutes are over as soon as
//! nothing else is to do.

use axum::body::Body;
use axum::http::{Method, Request};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::Fixture;
use crate::keys::{make, text};

/// An event as it came.
#[derive(Debug, PartialEq)]
struct Event {
    kind: String,
    id: String,
    data: String,
}

/// Reads a whole stream.
fn events(text: &str) -> Vec<Event> {
    let field = |event: &str, name: &str| {
        event
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .unwrap_or_default()
            .to_owned()
    };
    let all = text.split("\n\n").map(|event| Event {
        kind: field(event, "event"),
        id: field(event, "id"),
        data: field(event, "data"),
    });
    all.filter(|event| !event.kind.is_empty()).collect()
}

fn changes(text: &str) -> Vec<Value> {
    let changes = events(text).into_iter().filter(|event| event.kind == "change");
    changes.map(|event| serde_json::from_str(&event.data).expect("a change")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stream_carries_the_feed_and_ends_with_a_hint_to_come_back() {
    let fixture = Fixture::new().await;
    fixture.set("ann", &json!({})).await;
    fixture.set("bob", &json!({})).await;
    let answer = fixture.get("/preferences/changes/stream").await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert_eq!(changes(&answer.text), fixture.feed().await);
    let events = events(&answer.text);
    assert_eq!(events[2].kind, "position", "after the page");
    let position: Value = serde_json::from_str(&events[2].data).expect("JSON");
    assert_eq!(
        (position["next"].as_str(), events[2].id.as_str()),
        (Some(events[1].id.as_str()), events[1].id.as_str())
    );
    assert!(position["complete_until"].is_string());
    assert!(answer.text.contains(": nothing new"), "a heartbeat: {}", answer.text);
    assert!(answer.text.contains("retry: 3000"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_comes_back_misses_nothing_and_sees_nothing_twice() {
    let fixture = Fixture::new().await;
    for tenant in ["ann", "bob", "eve"] {
        fixture.set(tenant, &json!({})).await;
    }
    let all = fixture.feed().await;
    let first = all[0]["id"].as_str().expect("an id").to_owned();
    let answer = fixture
        .call_with(
            Method::GET,
            "/preferences/changes/stream?since_id=now",
            ("last-event-id", &first),
            "",
        )
        .await;
    assert_eq!(changes(&answer.text), all[1..], "the header goes before the query");
    let last = events(&answer.text).pop().expect("events").id;
    fixture.set("zoe", &json!({})).await;
    let answer = fixture.get(&format!("/preferences/changes/stream?since_id={last}")).await;
    let seen = changes(&answer.text);
    assert_eq!((seen.len(), &seen[0]["tenant_id"]), (1, &json!("zoe")));
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_is_gone_is_told_before_the_stream_begins() {
    let fixture = Fixture::new().await;
    fixture.get("/preferences/changes/stream?since_id=00000000-1").await.problem(410);
    fixture
        .call_with(Method::GET, "/preferences/changes/stream", ("last-event-id", "nonsense"), "")
        .await
        .problem(400);
}

#[tokio::test]
async fn a_change_is_pushed_as_soon_as_it_is_committed_and_a_shutdown_ends_the_stream() {
    let fixture = Fixture::new().await;
    let request = fixture.request(Method::GET, "/api/v1/preferences/changes/stream?since_id=now");
    let response = fixture
        .router
        .clone()
        .oneshot(request.body(Body::empty()).expect("a request"))
        .await
        .expect("answers");
    let mut body = response.into_body().into_data_stream();
    let mut read = String::new();
    while !read.contains("event: position") {
        read += std::str::from_utf8(&body.next().await.expect("a piece").expect("reads"))
            .expect("text");
    }
    fixture.set("ann", &json!({"frequency": "daily"})).await;
    while !read.contains("event: change") {
        read += std::str::from_utf8(&body.next().await.expect("a piece").expect("reads"))
            .expect("text");
    }
    fixture.service.shutdown();
    while let Some(piece) = body.next().await {
        read += std::str::from_utf8(&piece.expect("reads")).expect("text");
    }
    assert_eq!(changes(&read).len(), 1);
    assert!(read.contains("retry: 3000"));
}

#[tokio::test]
async fn a_stream_ends_with_the_key_that_opened_it() {
    let fixture = Fixture::new().await;
    let made = make(&fixture, json!({"name": "agent", "scopes": ["agent"]})).await;
    let request = Request::get("/api/v1/preferences/changes/stream?since_id=now")
        .header("authorization", format!("Bearer {}", text(&made)));
    let response = fixture
        .router
        .clone()
        .oneshot(request.body(Body::empty()).expect("a request"))
        .await
        .expect("answers");
    let mut body = response.into_body().into_data_stream();
    let mut read = String::new();
    while !read.contains("event: position") {
        read += std::str::from_utf8(&body.next().await.expect("a piece").expect("reads"))
            .expect("text");
    }
    fixture.call(Method::DELETE, &format!("/api-keys/{}", made["id"]), "").await;
    fixture.set("ann", &json!({"frequency": "daily"})).await;
    while let Some(piece) = body.next().await {
        read += std::str::from_utf8(&piece.expect("reads")).expect("text");
    }
    assert_eq!(changes(&read).len(), 0, "{read}");
}
