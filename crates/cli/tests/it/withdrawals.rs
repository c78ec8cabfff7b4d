//! Users who withdraw while the calls of many others are in front of theirs (M2): with the real
//! processes, and a handler that takes its time.
//!
//! `COHORT_WITHDRAWALS=1500` has so many users and a handler of 2 s.
//!
//! Planted, and red: consent is asked once only, before the wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::apart::until_within;
use crate::due_folder::{Folder, text};
use crate::handler::{Arrivals, serve_work};
use crate::serving::Rest;

/// Users of a test of the suite, of whom half withdraw.
const USERS: usize = 300;

/// How long after the answer to a withdrawal a call may arrive here: M2 says one second from the
/// commit, and the rest is for a slow machine. Without the last look it is most of the run.
const GRACE: Duration = Duration::from_secs(3);

const PATIENCE: Duration = Duration::from_mins(10);

struct Endpoint {
    takes: Duration,
    arrivals: Arrivals,
    called: Mutex<BTreeMap<String, Instant>>,
}

impl Endpoint {
    async fn work(State(endpoint): State<Arc<Self>>, Json(work): Json<Value>) -> StatusCode {
        let now = Instant::now();
        for user in work["data"]["users"].as_array().expect("users") {
            let called = &mut *endpoint.called.lock().expect("no panic holds it");
            called.entry(text(user, "tenant_id")).or_insert(now);
            endpoint.arrivals.count();
        }
        tokio::time::sleep(endpoint.takes).await;
        StatusCode::OK
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how many")]
fn size() -> (usize, Duration) {
    let asked = std::env::var("COHORT_WITHDRAWALS").ok().and_then(|users| users.parse().ok());
    asked.map_or((USERS, Duration::from_millis(700)), |users| (users, Duration::from_secs(2)))
}

/// Says no for a user, who is disabled or erased. Returns when that was answered.
async fn withdraw(rest: &Rest, number: usize) -> (String, Instant) {
    let user = format!("user-{number:04}");
    let answer = if number.is_multiple_of(2) {
        let path = format!("/tenants/{user}/preferences/posts");
        rest.put(&path, json!({"enabled": false}).to_string()).await
    } else {
        rest.delete(&format!("/tenants/{user}")).await
    };
    assert!((200..300).contains(&answer.status), "{}", answer.text);
    (user, Instant::now())
}

async fn nobody_is_called_who_has_withdrawn(job_type: &str) {
    let (users, takes) = size();
    let (arrivals, called) = (Arrivals::default(), Mutex::default());
    let endpoint = Arc::new(Endpoint { takes, arrivals, called });
    let url = serve_work(post(Endpoint::work).with_state(Arc::clone(&endpoint))).await;
    let folder = Folder::with_users(users, job_type, &url).await;
    let up = folder.start();
    let rest = up.rest();
    endpoint.arrivals.until(25, PATIENCE).await;

    // Those at the end wait for everybody else.
    let from = users - (users / 2).min(200);
    let withdrawn: Vec<_> = stream::iter(from..users)
        .map(|number| withdraw(&rest, number))
        .buffer_unordered(8)
        .collect()
        .await;
    let ended = async || rest.outcomes().await.len() == users;
    until_within(PATIENCE, "every user has an outcome", ended).await;
    let called = endpoint.called.lock().expect("no panic holds it");
    let after = |(user, at): &(String, Instant)| called.get(user)?.checked_duration_since(*at);
    let latest = withdrawn.iter().filter_map(after).max();
    println!("{job_type}: {users} users, {} said no, called after it: {latest:?}", withdrawn.len());
    assert!(latest.is_none_or(|latest| latest <= GRACE), "{latest:?} after it said no");
    assert!(called.len() < users, "some were not called");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_withdrawn_is_not_called_however_many_are_in_front() {
    nobody_is_called_who_has_withdrawn("individual_batch").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_withdrawn_is_in_no_chunk_that_is_called() {
    nobody_is_called_who_has_withdrawn("batch_as_object").await;
}
