//! kill -9 again and again while a handler fails, hangs, asks for patience and kills who calls it
//! (D2, D3, D4, D5).
//!
//! The endpoint fails one call in twenty, hangs in one of a hundred, half of them past the timeout,
//! and answers 429 with `Retry-After` in bursts. The service is killed after so many calls of a
//! life as a seed says. `COHORT_KILLS=200` has 2,000 users, who are more than the suite's, and
//! kills more often; `COHORT_KILLS=200:7` at other moments. Besides, whoever calls for one of two
//! users is killed each time.
//!
//! Planted, and red: `Retry-After` slows only the user who was answered so; a chunk is split and a
//! user sentenced after five deaths and not after three.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::due_folder::{AT_ONCE, Folder, text};
use crate::handler::{Arrivals, InFlight, serve_work};
use crate::serving::{Rest, Up};

/// Users whose work kills whoever calls for it, in chunks apart.
const POISON: [&str; 2] = ["user-0100", "user-0377"];

/// Three deaths split the chunk of such a user, three more are the user's own (D5).
const MOST_DEATHS: usize = 6;

/// What a 429 asks for.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Calls that still come after a 429 was given, at most: those that are on their way, and those
/// that are begun before it is read.
const MOST_ON_THE_WAY: usize = 2 * AT_ONCE;

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
    arrivals: Arrivals,
    /// Somebody has called for a user who is poison.
    struck: Notify,
    in_flight: Arc<InFlight>,
}

impl Endpoint {
    async fn serve() -> (Arc<Self>, String) {
        let endpoint = Arc::new(Self::default());
        let url = serve_work(post(answer).with_state(Arc::clone(&endpoint))).await;
        (endpoint, url)
    }

    fn begin_another_life(&self) {
        self.life.fetch_add(1, Ordering::SeqCst);
        // A call that came after the moment of death is of no concern to the next life.
        let _late = self.struck.notified().now_or_never();
    }

    /// Waits until this many more calls have come.
    async fn until_called(&self, more: usize) {
        self.arrivals.until(self.arrivals.so_far() + more, PATIENCE).await;
    }
}

async fn answer(State(endpoint): State<Arc<Endpoint>>, Json(event): Json<Value>) -> Response {
    let users = event["data"]["users"].as_array().expect("users");
    assert_eq!(users.len(), 1);
    let user = text(&users[0], "tenant_id");
    let is_poison = POISON.contains(&&*user);
    let open = endpoint.in_flight.begin(1);
    let place = {
        let mut calls = endpoint.calls.lock().expect("no panic holds it");
        let life = endpoint.life.load(Ordering::SeqCst);
        calls.push(Call { life, user, at: Instant::now(), said: Said::Nothing, said_at: None });
        calls.len() - 1
    };
    endpoint.arrivals.count();
    if is_poison {
        endpoint.struck.notify_one();
        return std::future::pending().await;
    }
    let mut dice = fastrand::Rng::with_seed(place as u64);
    let (roll, is_burst) = (dice.u32(0..200), place % 200 >= 190);
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
        Said::Wait => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", RETRY_AFTER.as_secs().to_string())])
                .into_response()
        }
        Said::Failed => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

/// How much there is to do, and how often it is interrupted.
struct Load {
    users: usize,
    kills: usize,
    /// Of the moments of the kills.
    seed: u64,
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how long")]
fn load() -> Load {
    let Ok(asked) = std::env::var("COHORT_KILLS") else {
        return Load { users: 500, kills: 4, seed: 1 };
    };
    let (kills, seed) = asked.split_once(':').unwrap_or((&asked, "1"));
    Load {
        users: 2_000,
        kills: kills.parse().expect("a number of kills"),
        seed: seed.parse().expect("a seed"),
    }
}

/// How a life of the service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    AtRandom,
    ByPoison,
    /// It lives, and every user has an outcome.
    WorkDone,
}

/// Waits until a life is to end: with poison, after so many calls, or, without a number, when
/// everything is done.
async fn until_end(endpoint: &Endpoint, up: &Up, calls: Option<usize>, users: usize) -> End {
    let of_itself = async {
        let Some(calls) = calls else {
            until_done(&up.rest(), users).await;
            return End::WorkDone;
        };
        endpoint.until_called(calls).await;
        End::AtRandom
    };
    tokio::select! {
        () = endpoint.struck.notified() => End::ByPoison,
        end = of_itself => end,
    }
}

async fn until_done(rest: &Rest, users: usize) {
    let done = async {
        while rest.outcomes().await.len() < users {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.expect("every user has an outcome in the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_and_kills_each_user_ends_with_one_outcome_and_nobody_is_called_out_of_turn() {
    let Load { users, kills, seed } = load();
    let began = Instant::now();
    let mut dice = fastrand::Rng::with_seed(seed);
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(users, "individual_batch", &url).await;
    folder.set_purpose(&json!({"handler": "http", "url": url, "timeout": "2s"}));
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut done_before: Vec<BTreeSet<String>> = Vec::new();
    let mut ends = Vec::new();
    let up = loop {
        let left = kills - ends.iter().filter(|end| **end == End::AtRandom).count();
        // So that there is something left for the last.
        let most = (users - done.len()) / (left + 1);
        let calls = (left > 0).then(|| dice.usize(0..=most.max(1)));
        let up = folder.start();
        let end = until_end(&endpoint, &up, calls, users).await;
        if end == End::WorkDone {
            break up;
        }
        ends.push(end);
        assert!(deaths_by_poison(&ends) <= MOST_DEATHS * POISON.len(), "{ends:?}");
        up.kill();
        let recorded = folder.recorded();
        assert!(done.is_subset(&recorded), "seed {seed}, {ends:?}: an outcome was lost");
        done_before.push(std::mem::replace(&mut done, recorded));
        endpoint.begin_another_life();
    };
    done_before.push(done);
    let rest = up.rest();
    let outcomes = rest.outcomes().await;
    check_record(&folder, &outcomes, &rest.get("/runs").await.json());
    check_poison(&outcomes, &ends);
    let (ended, _) = up.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    check_calls(&endpoint, &done_before);
    check_pauses(&endpoint);
    let calls = endpoint.calls.lock().expect("no panic holds it").len();
    println!(
        "{kills} kills, seed {seed}, {} by poison: {calls} calls in {:?}",
        ends.len() - kills,
        began.elapsed()
    );
}

fn check_record(folder: &Folder, outcomes: &[Value], runs: &Value) {
    let keys: BTreeMap<_, _> =
        outcomes.iter().map(|outcome| (text(outcome, "tenant_id"), text(outcome, "key"))).collect();
    assert_eq!(outcomes.len(), keys.len());
    assert_eq!(&keys, folder.expected());
    let mut chunks: BTreeMap<i64, usize> = BTreeMap::new();
    for outcome in outcomes {
        *chunks.entry(outcome["chunk"].as_i64().expect("a number")).or_default() += 1;
    }
    assert!(chunks.values().all(|users| *users <= 25), "{chunks:?}");
    let sum = |count: &str| {
        runs["runs"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|run| run[count].as_u64().expect("a count"))
            .sum::<u64>()
    };
    let of_status =
        |status: &str| outcomes.iter().filter(|outcome| outcome["status"] == status).count() as u64;
    assert_eq!((sum("succeeded"), sum("failed")), (of_status("succeeded"), of_status("failed")));
    assert!(of_status("succeeded") > outcomes.len() as u64 * 9 / 10, "{runs}");
}

fn deaths_by_poison(ends: &[End]) -> usize {
    ends.iter().filter(|end| **end == End::ByPoison).count()
}

/// Users who are poison fail alone. Somebody else is at most twice near one of them and shares
/// their fate only by a death at random, which meets one suspect at most.
fn check_poison(outcomes: &[Value], ends: &[End]) {
    let condemned: BTreeSet<_> = outcomes
        .iter()
        .filter(|outcome| outcome["reason"] == "poison")
        .map(|outcome| text(outcome, "tenant_id"))
        .collect();
    assert!(POISON.iter().all(|user| condemned.contains(*user)), "{condemned:?}, {ends:?}");
    let at_random = ends.len() - deaths_by_poison(ends);
    assert!(condemned.len() - POISON.len() <= at_random, "{condemned:?}, {ends:?}");
}

fn check_calls(endpoint: &Endpoint, done_before: &[BTreeSet<String>]) {
    assert!(endpoint.in_flight.most() <= AT_ONCE, "too many users at once");
    let calls = endpoint.calls.lock().expect("no panic holds it");
    let mut last: BTreeMap<&str, &Call> = BTreeMap::new();
    for call in &*calls {
        assert!(
            !done_before[call.life].contains(&call.user),
            "{} was called although the outcome was recorded",
            call.user
        );
        let Some(earlier) =
            last.insert(&call.user, call).filter(|earlier| earlier.life == call.life)
        else {
            continue;
        };
        assert!(
            earlier.said != Said::Done || earlier.said_at.is_none(),
            "{} was called again after success",
            call.user
        );
        if earlier.said == Said::Wait {
            let waited = call.at.duration_since(earlier.said_at.expect("said"));
            assert!(waited >= RETRY_AFTER, "{} was called after {waited:?}", call.user);
        }
    }
}

/// After a 429 nobody of the purpose is called for as long as it asks for (D4).
fn check_pauses(endpoint: &Endpoint) {
    let calls = endpoint.calls.lock().expect("no panic holds it");
    let mut most = 0;
    for asked in calls.iter().filter(|call| call.said == Said::Wait) {
        let said_at = asked.said_at.expect("said");
        let comes_early = |call: &&Call| {
            call.life == asked.life && call.at > said_at && call.at < said_at + RETRY_AFTER
        };
        most = most.max(calls.iter().filter(comes_early).count());
    }
    println!("at most {most} calls on the way");
    assert!(
        most <= MOST_ON_THE_WAY,
        "{most} calls came within {RETRY_AFTER:?} after one was answered 429"
    );
}
