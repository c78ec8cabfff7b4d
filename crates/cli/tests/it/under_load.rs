//! kill -9 again and again while a handler fails, hangs and asks for patience (D2, D3, D4).
//!
//! The endpoint fails one call in twenty, hangs in one of a hundred, half of them past the timeout, and answers 429 with
//! `Retry-After` in bursts. The service is killed after so many calls of a life as a seed says. `COHORT_KILLS=200` kills more often than
//! the suite does, `COHORT_KILLS=200:7` at other moments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::kill::{Folder, text};

const USERS: usize = 2_000;

/// In flight at most: the default.
const AT_ONCE: usize = 25;

/// What a 429 asks for.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Longer than the purpose's timeout.
const HANG: Duration = Duration::from_secs(4);

/// Shorter than it.
const SHORT_HANG: Duration = Duration::from_millis(500);

/// Longer than anything takes that does not hang.
const PATIENCE: Duration = Duration::from_mins(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Done,
    Failed,
    Wait,
    Nothing,
}

struct Call {
    life: usize,
    user: String,
    at: Instant,
    said: Said,
    said_at: Option<Instant>,
}

#[derive(Default)]
struct Endpoint {
    life: AtomicUsize,
    calls: Mutex<Vec<Call>>,
    arrived: watch::Sender<usize>,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl Endpoint {
    async fn serve() -> (Arc<Self>, String) {
        let endpoint = Arc::new(Self::default());
        let router = Router::new().route("/work", post(answer)).with_state(Arc::clone(&endpoint));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/work", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (endpoint, url)
    }

    /// Waits until this many more calls have come, or there is nothing left to call.
    async fn until_called(&self, more: usize) {
        let mut arrived = self.arrived.subscribe();
        let goal = *arrived.borrow() + more;
        let called = tokio::time::timeout(PATIENCE, arrived.wait_for(|calls| *calls >= goal)).await;
        assert!(called.is_ok(), "{} of {goal} calls", *self.arrived.borrow());
    }
}

/// Users that are called and not yet answered; also when the caller goes away.
struct Open(Arc<Endpoint>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(State(endpoint): State<Arc<Endpoint>>, Json(event): Json<Value>) -> Response {
    let users = event["data"]["users"].as_array().expect("users");
    assert_eq!(users.len(), 1);
    let user = text(&users[0], "tenant_id");
    let in_flight = endpoint.open.fetch_add(1, Ordering::SeqCst) + 1;
    endpoint.most_open.fetch_max(in_flight, Ordering::SeqCst);
    let open = Open(Arc::clone(&endpoint));
    let place = {
        let mut calls = endpoint.calls.lock().expect("no panic holds it");
        let life = endpoint.life.load(Ordering::SeqCst);
        calls.push(Call { life, user, at: Instant::now(), said: Said::Nothing, said_at: None });
        calls.len() - 1
    };
    endpoint.arrived.send_modify(|calls| *calls += 1);
    let mut dice = fastrand::Rng::with_seed(place as u64);
    let (roll, is_burst) = (dice.u32(0..200), place % 400 >= 380);
    if roll == 0 {
        // Whoever called gives up before, and may call somebody else.
        drop(open);
        tokio::time::sleep(HANG).await;
        return StatusCode::NO_CONTENT.into_response();
    }
    if roll == 1 {
        tokio::time::sleep(SHORT_HANG).await;
    }
    let said = if is_burst {
        Said::Wait
    } else if roll >= 190 {
        Said::Failed
    } else {
        Said::Done
    };
    let call = &mut endpoint.calls.lock().expect("no panic holds it")[place];
    (call.said, call.said_at) = (said, Some(Instant::now()));
    match said {
        Said::Wait => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", RETRY_AFTER.as_secs().to_string())]).into_response(),
        Said::Failed => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

/// How many kills, and the seed of their moments.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how long")]
fn kills() -> (usize, u64) {
    let asked = std::env::var("COHORT_KILLS").unwrap_or_else(|_not_asked| "6".into());
    let (kills, seed) = asked.split_once(':').unwrap_or((&asked, "1"));
    (kills.parse().expect("a number of kills"), seed.parse().expect("a seed"))
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_and_kills_each_user_ends_with_one_outcome_and_nobody_is_called_out_of_turn() {
    let (kills, seed) = kills();
    let began = Instant::now();
    let mut dice = fastrand::Rng::with_seed(seed);
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(USERS, "individual_batch", &url).await;
    folder.set_purpose(&json!({"handler": "http", "url": url, "timeout": "2s"}));
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut done_before: Vec<BTreeSet<String>> = Vec::new();
    for kill in 0..kills {
        // So that there is something left for the last.
        let most = (USERS - done.len()) / (kills - kill + 1);
        let up = folder.start();
        endpoint.until_called(dice.usize(0..=most.max(1))).await;
        up.kill();
        let recorded = folder.recorded();
        assert!(done.is_subset(&recorded), "seed {seed}, kill {kill}: an outcome was lost");
        done_before.push(std::mem::replace(&mut done, recorded));
        endpoint.life.fetch_add(1, Ordering::SeqCst);
    }
    done_before.push(done);
    let up = folder.start();
    let rest = up.rest();
    let ended = async {
        while rest.outcomes().await.len() < USERS {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("every user has an outcome in the end");
    let outcomes = rest.outcomes().await;
    check_record(&folder, &outcomes, &rest.get("/runs").await.json());
    let (ended, _) = up.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    check_calls(&endpoint, &done_before);
    println!("{kills} kills, seed {seed}: {} calls in {:?}", endpoint.calls.lock().expect("no panic holds it").len(), began.elapsed());
}

fn check_record(folder: &Folder, outcomes: &[Value], runs: &Value) {
    let keys: BTreeMap<_, _> = outcomes.iter().map(|outcome| (text(outcome, "tenant_id"), text(outcome, "key"))).collect();
    assert_eq!(outcomes.len(), USERS);
    assert_eq!(&keys, folder.expected());
    let mut chunks: BTreeMap<i64, usize> = BTreeMap::new();
    for outcome in outcomes {
        *chunks.entry(outcome["chunk"].as_i64().expect("a number")).or_default() += 1;
    }
    assert!(chunks.values().all(|users| *users <= 25), "{chunks:?}");
    let sum = |count: &str| runs["runs"].as_array().expect("a list").iter().map(|run| run[count].as_u64().expect("a count")).sum::<u64>();
    let of_status = |status: &str| outcomes.iter().filter(|outcome| outcome["status"] == status).count() as u64;
    assert_eq!((sum("succeeded"), sum("failed")), (of_status("succeeded"), of_status("failed")));
    assert!(of_status("succeeded") > USERS as u64 * 9 / 10, "{runs}");
}

fn check_calls(endpoint: &Endpoint, done_before: &[BTreeSet<String>]) {
    assert!(endpoint.most_open.load(Ordering::SeqCst) <= AT_ONCE, "too many users at once");
    let calls = endpoint.calls.lock().expect("no panic holds it");
    let mut last: BTreeMap<&str, &Call> = BTreeMap::new();
    for call in &*calls {
        assert!(!done_before[call.life].contains(&call.user), "{} was called although the outcome was recorded", call.user);
        let Some(earlier) = last.insert(&call.user, call).filter(|earlier| earlier.life == call.life) else { continue };
        assert!(earlier.said != Said::Done || earlier.said_at.is_none(), "{} was called again after success", call.user);
        if earlier.said == Said::Wait {
            let waited = call.at.duration_since(earlier.said_at.expect("said"));
            assert!(waited >= RETRY_AFTER, "{} was called after {waited:?}", call.user);
        }
    }
}
