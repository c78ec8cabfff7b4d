//! Ten thousand changes by concurrent writers, through the API, on both databases: all of them in
//! the feed, in order per user.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Method;
use cohort_database::testing::fresh_postgres;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{Answer, Fixture};

const WRITERS: usize = 16;
const CHANGES_A_WRITER: usize = 625;
/// Fewer than writers, so that every user has several.
const USERS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_concurrent_changes_are_in_the_feed_in_order_on_sqlite() {
    follow_writers(Fixture::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_concurrent_changes_are_in_the_feed_in_order_on_postgresql() {
    let database = fresh_postgres();
    follow_writers(Fixture::on_postgres(&database).await).await;
}

async fn follow_writers(fixture: Fixture) {
    let fixture = Arc::new(fixture);
    let writers = (0..WRITERS).map(|writer| tokio::spawn(write(Arc::clone(&fixture), writer)));
    let writers: Vec<_> = writers.collect();
    let feed = follow(&fixture, WRITERS * CHANGES_A_WRITER).await;
    let mut answered = BTreeMap::<String, Vec<u64>>::new();
    for writer in writers {
        for (user, version) in writer.await.expect("no panic") {
            answered.entry(user).or_default().push(version);
        }
    }
    for (user, mut versions) in answered {
        versions.sort_unstable();
        assert_eq!(
            versions,
            (1..=versions.len() as u64).collect::<Vec<_>>(),
            "each answer names another version of {user}"
        );
        let seen = feed
            .iter()
            .filter(|change| change["tenant_id"] == user.as_str())
            .filter_map(|change| change["version"].as_u64());
        assert_eq!(seen.collect::<Vec<_>>(), versions, "{user}");
    }
    let groups = fixture.get("/features/posts/frequency-groups").await.json();
    let counts = groups["groups"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|group| group["count"].as_u64());
    assert_eq!(counts.sum::<u64>(), USERS as u64);
}

/// A call that is not held against the API's description, which other tests do: there are ten
/// thousand.
async fn call(fixture: &Fixture, method: Method, path: &str, body: String) -> Value {
    let request = fixture
        .request(method, &format!("/api/v1{path}"))
        .body(Body::from(body))
        .expect("a request");
    let answer = Answer::read(
        fixture.router.clone().oneshot(request).await.expect("a router always answers"),
    )
    .await;
    assert!(answer.status.is_success(), "{}", answer.text);
    answer.json()
}

/// Changes users in an order of its own; gives who got which version.
async fn write(fixture: Arc<Fixture>, writer: usize) -> Vec<(String, u64)> {
    let mut answered = Vec::with_capacity(CHANGES_A_WRITER);
    for round in 0..CHANGES_A_WRITER {
        let user = format!("user-{}", (round * 7 + writer * 3) % USERS);
        let time = format!("{:02}:00", (round + writer) % 24);
        let preference = json!({"frequency": "daily", "preferred_time": time,
            "template_overrides": {"by": [writer, round]}});
        let receipt = call(
            &fixture,
            Method::PUT,
            &format!("/tenants/{user}/preferences/posts"),
            preference.to_string(),
        )
        .await;
        answered.push((user, receipt["version"].as_u64().expect("a version")));
    }
    answered
}

/// Follows the feed by long poll until so many changes have come.
async fn follow(fixture: &Fixture, changes: usize) -> Vec<Value> {
    let (mut feed, mut since) = (Vec::new(), String::new());
    while feed.len() < changes {
        let page = call(
            fixture,
            Method::GET,
            &format!("/preferences/changes?wait=30&limit=97{since}"),
            String::new(),
        )
        .await;
        feed.extend(page["changes"].as_array().expect("a list").iter().cloned());
        since = format!("&since_id={}", page["next"].as_str().expect("a cursor"));
    }
    assert_eq!(feed.len(), changes, "nothing comes twice");
    feed
}
