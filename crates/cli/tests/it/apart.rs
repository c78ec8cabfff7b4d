//! The Config Database and the agent as processes of their own, and what happens when one of them
//! goes away.
//!
//! Between them stands a proxy that keeps its address, so that a Config Database that was
//! restarted, at another free port, is found again. The agent calls an endpoint of the test's own,
//! which notes each key.
//!
//! Planted, and red: a run whose members cannot be read is given up at once; a stream of changes
//! outlives the key that opened it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use cohort_batch_agent::{AgentClock, SystemClock};
use cohort_fault_proxy::{Fault, FaultProxy};
use cohort_preferences::Clock;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::handler::serve_work;
use crate::serving::{PATIENCE, Rest, Up, http};

/// How long before a due instant everything must be prepared.
const PREPARATION: SignedDuration = SignedDuration::from_secs(20);

/// How often something is looked at that does not tell of itself.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A Config Database, an address at which it is found, and a place for an agent's ledger.
pub(crate) struct Apart {
    folder: TempDir,
    config: Option<Up>,
    proxy: FaultProxy,
}

impl Apart {
    /// Without users, before an endpoint for the one purpose.
    pub(crate) fn with_endpoint(endpoint: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for part in ["config", "agent"] {
            std::fs::create_dir(folder.path().join(part)).expect("made");
        }
        let job = json!({"job_id": "posts_job", "type": "individual_batch", "purpose_id": "posting",
            "preference_based": true, "feature_type": "instagram_posts"});
        let purposes = json!({"posting": {"handler": "http", "url": endpoint}});
        let batch = json!({"batch_processing_jobs": [job], "purposes": purposes});
        std::fs::write(folder.path().join("batch.json"), batch.to_string()).expect("written");
        let config = start_config(folder.path());
        let proxy =
            FaultProxy::before(config.address().parse().expect("an address")).expect("a free port");
        Self { folder, config: Some(config), proxy }
    }

    fn config(&self) -> &Up {
        self.config.as_ref().expect("it runs")
    }

    /// Requests to the Config Database, past the proxy.
    fn rest(&self) -> Rest {
        self.config().rest()
    }

    /// The base address of the Config Database's API.
    pub(crate) fn config_base(&self) -> String {
        self.config().base()
    }

    /// Returns the Config Database alone.
    pub(crate) fn into_config(self) -> Up {
        self.config.expect("it runs")
    }

    /// Starts the agent, which presents this key.
    pub(crate) fn agent(&self, key: &str) -> Up {
        self.agent_on(&format!("sqlite://{}", self.path("agent/ledger.db")), "cohort", key)
    }

    /// An agent on the ledger at this address, of the deployment with this name.
    pub(crate) fn agent_on(&self, ledger: &str, name: &str, key: &str) -> Up {
        let url = format!("http://{}/api/v1", self.proxy.address());
        let environment = [
            ("CONFIG_SERVICE_URL", &*url),
            ("CONFIG_SERVICE_API_KEY", key),
            ("COHORT_LEDGER_URL", ledger),
            ("COHORT_NAME", name),
            ("CONFIG_POLL_INTERVAL", "1"),
        ];
        let batch = self.path("batch.json");
        let arguments = ["agent", "--batch-config", &batch].map(AsRef::as_ref);
        Up::start_command(&self.folder.path().join("config"), &arguments, &environment)
    }

    /// Sets what is wrong with the way to the Config Database.
    pub(crate) async fn config_database_has(&self, fault: Fault) {
        self.proxy.set(fault).await;
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("text").to_owned()
    }

    /// Makes a key of the scope that agents need, and says which it is.
    pub(crate) async fn agent_key(&self) -> (u64, String) {
        let made = self
            .rest()
            .post("/api-keys", json!({"name": "agent", "scopes": ["agent"]}))
            .await
            .json();
        (made["id"].as_u64().expect("a number"), made["key"].as_str().expect("its text").to_owned())
    }

    pub(crate) async fn set(&self, tenant: &str, preference: &Value) {
        let put = self
            .rest()
            .put(&format!("/tenants/{tenant}/preferences/instagram_posts"), preference.to_string())
            .await;
        assert_eq!(put.status, 201, "{}", put.text);
    }

    /// Starts the Config Database on its files again.
    fn start_config_again(&mut self) {
        let config = start_config(self.folder.path());
        self.proxy.go_to(config.address().parse().expect("an address"));
        self.config = Some(config);
    }
}

fn start_config(folder: &Path) -> Up {
    let data = folder.join("config");
    let database = format!("sqlite://{}", data.join("config.db").display());
    Up::start_command(
        &data,
        &["config-service", "--database-url", &database].map(AsRef::as_ref),
        &[],
    )
}

/// The keys that an endpoint was called with, and how often.
#[derive(Clone)]
pub(crate) struct Calls {
    times: Arc<Mutex<BTreeMap<String, usize>>>,
    /// One permit an answer.
    pub(crate) answers: Arc<Semaphore>,
}

impl Calls {
    pub(crate) async fn endpoint() -> (Self, String) {
        Self::endpoint_that_answers(Semaphore::MAX_PERMITS).await
    }

    /// The same, but only so many are answered until it is let on.
    pub(crate) async fn endpoint_that_answers(answers: usize) -> (Self, String) {
        let calls = Self { times: Arc::default(), answers: Arc::new(Semaphore::new(answers)) };
        let url = serve_work(post(Self::note).with_state(calls.clone())).await;
        (calls, url)
    }

    async fn note(State(calls): State<Self>, headers: HeaderMap, _work: Json<Value>) -> StatusCode {
        let key = headers["idempotency-key"].to_str().expect("text").to_owned();
        *calls.times.lock().expect("no panic holds it").entry(key).or_default() += 1;
        calls.answers.acquire().await.expect("never closed").forget();
        StatusCode::OK
    }

    pub(crate) fn times(&self) -> BTreeMap<String, usize> {
        self.times.lock().expect("no panic holds it").clone()
    }
}

/// Looks again and again until this is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFnMut() -> bool) {
    until_within(PATIENCE, what, is_so).await;
}

pub(crate) async fn until_within(
    patience: Duration,
    what: &str,
    mut is_so: impl AsyncFnMut() -> bool,
) {
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    assert!(tokio::time::timeout(patience, looking).await.is_ok(), "in vain: {what}");
}

/// What the agent says of itself: its status, and why.
async fn readiness(agent: &Up) -> (u16, String) {
    let answer =
        http().get(format!("http://{}/readyz", agent.address())).send().await.expect("it answers");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

pub(crate) async fn until_ready(agent: &Up) {
    until("the agent is ready", async || readiness(agent).await.0 == 200).await;
}

/// The schedules that have members: time key and how many.
async fn schedules(rest: &Rest) -> BTreeMap<String, u64> {
    let page = rest.get("/schedules").await.json();
    let listed = page["schedules"].as_array().expect("a list").iter();
    let sizes = listed.map(|group| {
        (
            group["time_key"].as_str().expect("text").to_owned(),
            group["members"].as_u64().expect("a number"),
        )
    });
    sizes.filter(|(_, members)| *members > 0).collect()
}

pub(crate) async fn until_scheduled(agent: &Rest, wanted: &[(&str, u64)]) {
    let wanted: BTreeMap<_, _> =
        wanted.iter().map(|(time_key, members)| ((*time_key).to_owned(), *members)).collect();
    until(&format!("the agent schedules {wanted:?}"), async || schedules(agent).await == wanted)
        .await;
}

/// Scenario 2 of the original specification.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_changes_to_weekly_leaves_one_schedule_of_the_agent_and_joins_the_other() {
    let (_calls, endpoint) = Calls::endpoint().await;
    let apart = Apart::with_endpoint(&endpoint);
    let agent = apart.agent(&apart.agent_key().await.1);
    let daily = json!({"frequency": "daily", "preferred_time": "09:00"});
    for tenant in ["user123", "user124"] {
        apart.set(tenant, &daily).await;
    }
    let rest = agent.rest();
    until_scheduled(&rest, &[("09:00", 2)]).await;

    let weekly =
        json!({"frequency": "weekly", "preferred_day": "monday", "preferred_time": "10:00"});
    let document = json!({"tenant_id": "user123", "config_key": "feature_preferences",
        "config_value": {"instagram_posts": weekly}});
    let put = apart
        .rest()
        .put("/tenants/user123/configs/feature_preferences", document.to_string())
        .await;
    assert_eq!(put.status, 200, "{}", put.text);
    until_scheduled(&rest, &[("09:00", 1), ("monday:10:00", 1)]).await;
    let (ended, _) = agent.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}

/// How the Config Database is stopped.
#[derive(Clone, Copy)]
enum Stop {
    Asked,
    Killed,
}

/// Users who are due in the coming minutes, at one instant; half of them every hour.
const USERS: u64 = 120;

async fn outlive_a_due_instant(stop: Stop) {
    let (calls, endpoint) = Calls::endpoint().await;
    let mut apart = Apart::with_endpoint(&endpoint);
    let mut agent = apart.agent(&apart.agent_key().await.1);
    let rest = agent.rest();
    let due = next_full_minute_from(SystemClock.now() + PREPARATION);
    subscribe(&apart, due).await;
    until("the agent knows all users", async || {
        schedules(&rest).await.values().sum::<u64>() == USERS
    })
    .await;
    assert!(SystemClock.now() < due, "prepared in time");
    let config = apart.config.take().expect("it runs");
    match stop {
        Stop::Asked => drop(config.terminate()),
        Stop::Killed => config.kill(),
    }
    SystemClock.sleep_until(due).await;
    tokio::task::block_in_place(|| agent.until_logged("the members of a run cannot be read yet"));
    assert_eq!(calls.times().len(), 0);
    let (status, told) = readiness(&agent).await;
    assert!(status == 503 && told.contains("the change feed"), "{status} {told}");

    apart.start_config_again();
    until_ready(&agent).await;
    until("every user has an outcome", async || rest.outcomes().await.len() as u64 == USERS).await;
    let outcomes = rest.outcomes().await;
    assert!(outcomes.iter().all(|outcome| outcome["status"] == "succeeded"), "{outcomes:?}");
    let keys = outcomes
        .iter()
        .map(|outcome| (outcome["key"].as_str().expect("text").to_owned(), 1))
        .collect();
    assert_eq!(calls.times(), keys, "each key is called once");
    assert_eq!(keys.len() as u64, USERS);
}

fn next_full_minute_from(instant: Timestamp) -> Timestamp {
    instant.round((Unit::Minute, 1)).map_or(instant, |rounded| {
        if rounded < instant { rounded + SignedDuration::from_mins(1) } else { rounded }
    })
}

async fn subscribe(apart: &Apart, due: Timestamp) {
    let in_zone = |zone: &str| {
        TimeZone::get(zone).expect("known").to_datetime(due).strftime("%H:%M").to_string()
    };
    let hourly =
        json!({"frequency": "hourly", "preferred_time": in_zone("UTC"), "timezone": "UTC"});
    let daily = json!({"frequency": "daily", "preferred_time": in_zone("Asia/Kolkata"),
        "timezone": "Asia/Kolkata"});
    for number in 0..USERS {
        apart.set(&format!("user-{number}"), if number % 2 == 0 { &hourly } else { &daily }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_database_that_is_away_at_the_due_instant_costs_no_run_and_doubles_none() {
    tokio::join!(outlive_a_due_instant(Stop::Asked), outlive_a_due_instant(Stop::Killed));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_key_is_revoked_says_so_plainly_and_goes_on_with_another() {
    let (_calls, endpoint) = Calls::endpoint().await;
    let apart = Apart::with_endpoint(&endpoint);
    let (id, key) = apart.agent_key().await;
    let mut agent = apart.agent(&key);
    let daily = json!({"frequency": "daily", "preferred_time": "09:00"});
    apart.set("ann", &daily).await;
    until_scheduled(&agent.rest(), &[("09:00", 1)]).await;
    until_ready(&agent).await;

    let revoked = apart.rest().delete(&format!("/api-keys/{id}")).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    apart.set("bob", &daily).await;
    tokio::task::block_in_place(|| agent.until_logged("the agent's key is refused"));
    let (status, told) = readiness(&agent).await;
    assert!(status == 503 && told.contains("refuses the agent's key"), "{status} {told}");
    let (ended, _) = agent.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains(&key), "the key is nowhere in the log");

    let agent = apart.agent(&apart.agent_key().await.1);
    until_ready(&agent).await;
    until_scheduled(&agent.rest(), &[("09:00", 2)]).await;
}
