//! An endpoint that lets the test decide which calls are answered, and remembers what it was asked
//! in each life of the service.
//!
//! A life is the time from one start of the service to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::due_folder::{AT_ONCE, Folder, ZONES, text};
use crate::handler::{Arrivals, InFlight, serve_work};
use crate::serving::{PATIENCE, Up};

/// An endpoint that answers only as often as the test lets it, and remembers what it was asked.
pub(crate) struct Endpoint {
    life: Mutex<Arc<Life>>,
}

/// What one life of the service asked.
pub(crate) struct Life {
    calls: Mutex<Vec<Call>>,
    arrivals: Arrivals,
    /// One permit an answer.
    pub(crate) answers: Semaphore,
    in_flight: Arc<InFlight>,
}

/// A call as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    idempotency_key: String,
    pub(crate) kind: String,
    /// Tenant and key.
    pub(crate) users: Vec<(String, String)>,
}

impl Endpoint {
    pub(crate) async fn serve() -> (Arc<Self>, String) {
        let endpoint = Arc::new(Self { life: Mutex::new(Arc::new(Life::answering(0))) });
        let url = serve_work(post(answer).with_state(Arc::clone(&endpoint))).await;
        (endpoint, url)
    }

    /// Begins another life, in which so many calls are answered.
    pub(crate) fn begin(&self, answers: usize) -> Arc<Life> {
        let life = Arc::new(Life::answering(answers));
        *self.life.lock().expect("no panic holds it") = Arc::clone(&life);
        life
    }
}

impl Life {
    fn answering(calls: usize) -> Self {
        let (answers, in_flight) = (Semaphore::new(calls), Arc::default());
        Self { calls: Mutex::default(), arrivals: Arrivals::default(), answers, in_flight }
    }

    /// Waits until so many calls have arrived.
    pub(crate) async fn until_called(&self, times: usize) {
        self.arrivals.until(times, PATIENCE).await;
    }

    /// Returns the calls, as they arrived.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("no panic holds it").clone()
    }

    /// Returns how often each user was asked for.
    pub(crate) fn times_called(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for (tenant, _) in self.calls().iter().flat_map(|call| &call.users) {
            *times.entry(tenant.clone()).or_default() += 1;
        }
        times
    }
}

async fn answer(
    State(endpoint): State<Arc<Endpoint>>,
    headers: HeaderMap,
    Json(event): Json<Value>,
) -> Json<Value> {
    let life = Arc::clone(&endpoint.life.lock().expect("no panic holds it"));
    let users: Vec<(String, String)> =
        event["data"]["users"].as_array().expect("users").iter().map(tenant_and_key).collect();
    let open = life.in_flight.begin(users.len());
    let idempotency_key = headers["idempotency-key"].to_str().expect("text").to_owned();
    life.calls.lock().expect("no panic holds it").push(Call {
        idempotency_key,
        kind: text(&event, "type"),
        users: users.clone(),
    });
    life.arrivals.count();
    life.answers.acquire().await.expect("never closed").forget();
    drop(open);
    let results: Vec<Value> = users
        .iter()
        .map(|(tenant, _)| json!({"tenant_id": tenant, "status": "succeeded"}))
        .collect();
    Json(json!({"results": results}))
}

fn tenant_and_key(user: &Value) -> (String, String) {
    (text(user, "tenant_id"), text(user, "key"))
}

/// Waits until every user has an outcome; then they are what they should be.
pub(crate) async fn finish(folder: &Folder, up: Up) {
    let rest = up.rest();
    let all = async {
        loop {
            let outcomes = rest.outcomes().await;
            if outcomes.len() >= folder.expected().len() {
                return outcomes;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let outcomes =
        tokio::time::timeout(PATIENCE, all).await.expect("every user has an outcome in the end");
    let mut keys = BTreeMap::new();
    let mut chunks: BTreeMap<i64, usize> = BTreeMap::new();
    for outcome in &outcomes {
        assert_eq!(outcome["status"], "succeeded", "{outcome}");
        *chunks.entry(outcome["chunk"].as_i64().expect("a number")).or_default() += 1;
        let first = keys.insert(text(outcome, "tenant_id"), text(outcome, "key"));
        assert_eq!(first, None, "two outcomes: {outcome}");
    }
    assert_eq!(&keys, folder.expected());
    assert!(chunks.values().all(|users| *users <= 25), "{chunks:?}");
    let runs = rest.get("/runs").await.json();
    let runs = runs["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), ZONES.len());
    assert!(runs.iter().all(|run| run["state"] == "closed"), "{runs:?}");
    for count in ["members", "succeeded"] {
        let sum: u64 = runs.iter().map(|run| run[count].as_u64().expect("a count")).sum();
        assert_eq!(sum, folder.expected().len() as u64, "{count}: {runs:?}");
    }
    let (ended, _) = up.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(folder.recorded(), folder.expected().keys().cloned().collect());
}

/// One life that was ended by force, with what the record held then.
pub(crate) struct Killed {
    pub(crate) life: Arc<Life>,
    pub(crate) recorded: BTreeSet<String>,
}

/// Ends a life by force.
pub(crate) fn kill(folder: &Folder, up: Up, life: Arc<Life>) -> Killed {
    up.kill();
    Killed { life, recorded: folder.recorded() }
}

/// Checks that what the endpoint saw agrees with what was recorded at each end.
pub(crate) fn check_calls(folder: &Folder, killed: &[Killed], last: &Life) {
    let mut done = BTreeSet::new();
    let mut called_before = BTreeSet::new();
    let lives =
        killed.iter().map(|killed| (&*killed.life, Some(&killed.recorded))).chain([(last, None)]);
    for (life, recorded) in lives {
        check_life(folder, life);
        for (tenant, times) in life.times_called() {
            assert_eq!(times, 1, "{tenant} was called twice in one life");
            assert!(
                !done.contains(&tenant),
                "{tenant} was called although the outcome was recorded before the start"
            );
            called_before.insert(tenant);
        }
        if let Some(recorded) = recorded {
            assert!(done.is_subset(recorded), "an outcome was lost");
            assert!(recorded.is_subset(&called_before), "an outcome without a call");
            done.clone_from(recorded);
        }
    }
    assert_eq!(called_before, folder.expected().keys().cloned().collect());
}

fn check_life(folder: &Folder, life: &Life) {
    assert!(life.in_flight.most() <= AT_ONCE, "too many users at once");
    for call in life.calls() {
        assert!(call.users.len() <= 25);
        for (tenant, key) in &call.users {
            assert_eq!(folder.expected().get(tenant), Some(key), "an unknown piece of work");
        }
        if call.kind == "cohort.user.v1" {
            assert_eq!([call.idempotency_key], [call.users[0].1.as_str()]);
        }
    }
}
