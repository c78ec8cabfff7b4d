//! kill -9 in the middle of a run leaves one outcome per user and occurrence (D1, D2, D3).
//!
//! The occurrence is due at the start: users and job are stored as of an hour before it, so that
//! the service catches up (F1). A life is the time from one start of the service to its end; the
//! endpoint knows in which life it was called.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use cohort_batch_agent::{
    Alteration, Definition, DefinitionEdit, DefinitionKind, DefinitionLedger, SqliteLedger,
    SystemClock, idempotency_key,
};
use cohort_config_client::{ConfigDatabaseClient, ImportStatus};
use cohort_config_service::{ConfigService, ConfigServiceOptions, Scope};
use cohort_preferences::{Clock, NominalTime, TenantId};
use futures_util::TryStreamExt;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};

use crate::program::cohort;
use crate::serving::{PATIENCE, Rest, Up};

const JOB: &str = "posts_job";
const ZONES: [&str; 2] = ["UTC", "Asia/Kolkata"];

/// Users called and not yet answered, at most: the default.
const AT_ONCE: usize = 25;

/// An endpoint that answers only as often as the test lets it, and remembers what it was asked.
#[derive(Default)]
struct Endpoint {
    life: Mutex<Arc<Life>>,
}

/// What one life of the service asked.
struct Life {
    calls: Mutex<Vec<Call>>,
    arrived: watch::Sender<usize>,
    /// One permit an answer.
    answers: Semaphore,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

#[derive(Debug, Clone)]
struct Call {
    idempotency_key: String,
    kind: String,
    /// Tenant and key.
    users: Vec<(String, String)>,
}

impl Default for Life {
    fn default() -> Self {
        let (calls, arrived, answers) =
            (Mutex::default(), watch::Sender::new(0), Semaphore::new(0));
        Self { calls, arrived, answers, open: AtomicUsize::new(0), most_open: AtomicUsize::new(0) }
    }
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

    /// Another life begins, in which so many calls are answered.
    fn begin(&self, answers: usize) -> Arc<Life> {
        let life = Arc::new(Life::default());
        life.answers.add_permits(answers);
        *self.life.lock().expect("no panic holds it") = Arc::clone(&life);
        life
    }
}

impl Life {
    async fn until_called(&self, times: usize) {
        let mut arrived = self.arrived.subscribe();
        let called =
            tokio::time::timeout(PATIENCE, arrived.wait_for(|calls| *calls >= times)).await;
        assert!(called.is_ok(), "only {} of {times} calls have arrived", *self.arrived.borrow());
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("no panic holds it").clone()
    }

    /// How often each user was asked for.
    fn times_called(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for (tenant, _) in self.calls().iter().flat_map(|call| &call.users) {
            *times.entry(tenant.clone()).or_default() += 1;
        }
        times
    }
}

/// Users that are called and not yet answered; also when the caller goes away.
struct Open(Arc<Life>, usize);

impl Open {
    fn of(life: &Arc<Life>, users: usize) -> Self {
        let open = life.open.fetch_add(users, Ordering::SeqCst) + users;
        life.most_open.fetch_max(open, Ordering::SeqCst);
        Self(Arc::clone(life), users)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(self.1, Ordering::SeqCst);
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
    let open = Open::of(&life, users.len());
    let idempotency_key = headers["idempotency-key"].to_str().expect("text").to_owned();
    life.calls.lock().expect("no panic holds it").push(Call {
        idempotency_key,
        kind: text(&event, "type"),
        users: users.clone(),
    });
    life.arrived.send_modify(|calls| *calls += 1);
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

pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}")).to_owned()
}

/// A clock that stands.
struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A data folder with users whose occurrence has just passed, and with a job that knows them since
/// an hour before it.
pub(crate) struct Folder {
    folder: TempDir,
    /// The key of each user's work.
    expected: BTreeMap<String, String>,
}

impl Folder {
    pub(crate) async fn with_users(count: usize, job_type: &str, url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let now = SystemClock.now();
        let due = Timestamp::from_second(now.as_second() / 60 * 60 - 300).expect("in range");
        let before = due - SignedDuration::from_hours(1);
        store_users(&folder.path().join("data"), before, due, count).await;
        let ledger =
            SqliteLedger::open(&folder.path().join("data/ledger.db"), false).expect("opens");
        ledger.store_definitions(applied(job_type, before)).await.expect("stored");
        std::fs::write(folder.path().join("batch.json"), batch_config(job_type, url))
            .expect("written");
        let expected = (0..count).map(|number| (tenant(number), key(number, due))).collect();
        Self { folder, expected }
    }

    /// The key of each user's work.
    pub(crate) fn expected(&self) -> &BTreeMap<String, String> {
        &self.expected
    }

    /// Gives the purpose another handler from the next start on.
    pub(crate) fn set_purpose(&self, purpose: &Value) {
        let config = json!({"batch_processing_jobs": [job("individual_batch")],
            "purposes": {"posting": purpose}});
        std::fs::write(self.folder.path().join("batch.json"), config.to_string()).expect("written");
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn start(&self) -> Up {
        self.start_with(&[])
    }

    fn start_with(&self, environment: &[(&str, &str)]) -> Up {
        Up::start(
            &self.data(),
            &["--batch-config", self.folder.path().join("batch.json").to_str().expect("text")],
            environment,
        )
    }

    /// The keys of the recorded outcomes by user, from the files of a folder that nobody serves.
    pub(crate) fn recorded(&self) -> BTreeSet<String> {
        let listed =
            cohort(&["outcomes", "--data", self.data().to_str().expect("text"), "--json"], "");
        assert_eq!(listed.code, 0, "{}", listed.stderr);
        let outcomes: Vec<Value> =
            listed.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let tenants: BTreeSet<String> =
            outcomes.iter().map(|outcome| text(outcome, "tenant_id")).collect();
        assert_eq!(tenants.len(), outcomes.len(), "one outcome a user");
        tenants
    }
}

fn tenant(number: usize) -> String {
    format!("user-{number:04}")
}

fn local(number: usize, due: Timestamp) -> (&'static str, DateTime) {
    let zone = ZONES[number % ZONES.len()];
    (zone, TimeZone::get(zone).expect("known").to_datetime(due))
}

fn key(number: usize, due: Timestamp) -> String {
    let (zone, local) = local(number, due);
    let nominal: NominalTime =
        local.strftime("%Y-%m-%dT%H:%M").to_string().parse().expect("a nominal time");
    let tenant: TenantId = tenant(number).parse().expect("a name");
    idempotency_key(&JOB.parse().expect("a name"), &tenant, nominal, zone)
}

async fn store_users(data: &Path, before: Timestamp, due: Timestamp, count: usize) {
    std::fs::create_dir_all(data).expect("made");
    let options = ConfigServiceOptions::sqlite(data.join("config.db"), Arc::new(Standing(before)));
    let service = ConfigService::open(options).await.expect("opened");
    let secret = service.create_key("test", Scope::Admin).await.expect("made");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let client = ConfigDatabaseClient::builder(format!(
        "http://{}/api/v1",
        listener.local_addr().expect("bound")
    ))
    .api_key(secret);
    let serving = tokio::spawn(axum::serve(listener, service.router()).into_future());
    let lines: String = (0..count).map(|number| line(number, due)).collect();
    let results = client
        .build()
        .expect("a client")
        .import(std::io::Cursor::new(lines.into_bytes()))
        .await
        .expect("taken");
    assert_eq!(results.try_collect::<Vec<_>>().await.expect("answered").len(), count);
    serving.abort();
}

fn line(number: usize, due: Timestamp) -> String {
    let (zone, local) = local(number, due);
    let time = local.strftime("%H:%M").to_string();
    let preference = json!({"frequency": "daily", "preferred_time": time, "timezone": zone});
    format!(
        "{}\n",
        json!({"tenant_id": tenant(number), "feature_type": "posts", "preference": preference})
    )
}

fn job(job_type: &str) -> Value {
    json!({"job_id": JOB, "type": job_type, "purpose_id": "posting", "preference_based": true,
        "feature_type": "posts"})
}

/// The job as it was applied at an instant: from then on it has something to catch up on.
fn applied(job_type: &str, at: Timestamp) -> DefinitionEdit {
    let (kind, name, document) = (DefinitionKind::Job, JOB.to_owned(), Some(job(job_type)));
    let definition =
        Definition { kind, name, version: 1, document, applied_at: at, applied_by: "test".into() };
    DefinitionEdit { based_on: 0, versions: vec![(Alteration::Created, definition)], start: None }
}

fn batch_config(job_type: &str, url: &str) -> String {
    json!({"batch_processing_jobs": [job(job_type)],
        "purposes": {"posting": {"handler": "http", "url": url}}})
    .to_string()
}

/// Waits until every user has an outcome; then they are what they should be.
async fn finish(folder: &Folder, up: Up) {
    let rest = up.rest();
    let all = async {
        loop {
            let outcomes = rest.outcomes().await;
            if outcomes.len() >= folder.expected.len() {
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
    assert_eq!(keys, folder.expected);
    assert!(chunks.values().all(|users| *users <= 25), "{chunks:?}");
    let runs = rest.get("/runs").await.json();
    let runs = runs["runs"].as_array().expect("a list");
    assert_eq!(runs.len(), ZONES.len());
    assert!(runs.iter().all(|run| run["state"] == "closed"), "{runs:?}");
    for count in ["members", "succeeded"] {
        let sum: u64 = runs.iter().map(|run| run[count].as_u64().expect("a count")).sum();
        assert_eq!(sum, folder.expected.len() as u64, "{count}: {runs:?}");
    }
    let (ended, _) = up.terminate();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(folder.recorded(), folder.expected.keys().cloned().collect());
}

/// One life that was ended by force, with what the record held then.
struct Killed {
    life: Arc<Life>,
    recorded: BTreeSet<String>,
}

fn kill(folder: &Folder, up: Up, life: Arc<Life>) -> Killed {
    up.kill();
    Killed { life, recorded: folder.recorded() }
}

/// What the endpoint saw agrees with what was recorded at each end.
fn check_calls(folder: &Folder, killed: &[Killed], last: &Life) {
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
    assert_eq!(called_before, folder.expected.keys().cloned().collect());
}

fn check_life(folder: &Folder, life: &Life) {
    assert!(life.most_open.load(Ordering::SeqCst) <= AT_ONCE, "too many users at once");
    for call in life.calls() {
        assert!(call.users.len() <= 25);
        for (tenant, key) in &call.users {
            assert_eq!(folder.expected.get(tenant), Some(key), "an unknown piece of work");
        }
        if call.kind == "cohort.user.v1" {
            assert_eq!([call.idempotency_key], [call.users[0].1.as_str()]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_whose_calls_were_cut_off_are_called_again_with_the_same_key_and_nobody_else_is() {
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(200, "individual_batch", &url).await;

    // Nothing has been answered yet.
    let life = endpoint.begin(0);
    let up = folder.start();
    life.until_called(AT_ONCE).await;
    let first = kill(&folder, up, life);
    assert_eq!(first.recorded.len(), 0);
    assert_eq!(first.life.times_called().len(), AT_ONCE);

    // Some have been answered: of those calls, 75 must be over for as many as this to arrive.
    let life = endpoint.begin(75);
    let up = folder.start();
    life.until_called(75 + AT_ONCE).await;
    let second = kill(&folder, up, life);
    assert!(second.recorded.len() <= 75);

    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    finish(&folder, folder.start()).await;
    check_calls(&folder, &[first, second], &last);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_were_cut_off_are_done_again_and_those_recorded_are_not() {
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(200, "batch_as_object", &url).await;

    let life = endpoint.begin(3);
    let up = folder.start();
    life.until_called(4).await;
    let first = kill(&folder, up, life);
    assert!(first.life.calls().iter().all(|call| call.kind == "cohort.chunk.v1"));
    assert!(first.recorded.len() <= 75);

    // Killed with the last answers on their way.
    let life = endpoint.begin(2);
    let up = folder.start();
    life.until_called(3).await;
    let second = kill(&folder, up, life);
    assert!(second.recorded.len() >= first.recorded.len());

    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    finish(&folder, folder.start()).await;
    check_calls(&folder, &[first, second], &last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_killed_again_and_again_at_full_speed_ends_with_one_outcome_each() {
    let (endpoint, url) = Endpoint::serve().await;
    // More than a page of members, so that the first kill falls into the reading.
    let folder = Folder::with_users(2_400, "batch_as_object", &url).await;
    let mut killed = Vec::new();
    for calls in [0, 0, 1, 2, 7, 20] {
        let life = endpoint.begin(Semaphore::MAX_PERMITS);
        let up = folder.start();
        life.until_called(calls).await;
        killed.push(kill(&folder, up, life));
    }
    assert!(killed.last().expect("six").recorded.len() < 2_400, "it was killed in the middle");
    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    finish(&folder, folder.start()).await;
    check_calls(&folder, &killed, &last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_disabled_while_the_service_was_dead_is_not_called_again() {
    let (endpoint, url) = Endpoint::serve().await;
    let mut folder = Folder::with_users(60, "individual_batch", &url).await;
    let life = endpoint.begin(0);
    let up = folder.start();
    life.until_called(AT_ONCE).await;
    let killed = kill(&folder, up, life);

    let called = killed.life.calls()[0].users[0].0.clone();
    let times = killed.life.times_called();
    let waiting = folder
        .expected
        .keys()
        .find(|tenant| !times.contains_key(*tenant))
        .expect("35 of them")
        .clone();
    let line = |tenant| {
        json!({"tenant_id": tenant, "feature_type": "posts", "preference": {"enabled": false}})
            .to_string()
    };
    let lines = [&called, &waiting].map(line).join("\n");
    assert_eq!(
        cohort(&["import", "-", "--data", folder.data().to_str().expect("text")], &lines).code,
        0
    );

    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    let up = folder.start();
    let rest = up.rest();
    for tenant in [called, waiting] {
        let outcomes = until_listed(&rest, &format!("/outcomes?tenant={tenant}"), 1).await;
        assert_eq!(
            (&outcomes[0]["status"], &outcomes[0]["reason"]),
            (&json!("skipped"), &json!("disabled")),
            "{outcomes:?}"
        );
        assert!(!last.times_called().contains_key(&tenant), "{tenant} was called");
        folder.expected.remove(&tenant);
    }
    let outcomes = until_listed(&rest, "/outcomes?status=succeeded", folder.expected.len()).await;
    assert_eq!(outcomes.len(), 58);
    assert_eq!(rest.outcomes().await.len(), 60);
}

/// The outcomes that this path lists, once they are so many.
async fn until_listed(rest: &Rest, path: &str, count: usize) -> Vec<Value> {
    let listed = async {
        loop {
            let outcomes =
                rest.get(path).await.json()["outcomes"].as_array().expect("a list").clone();
            if outcomes.len() >= count {
                return outcomes;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, listed)
        .await
        .unwrap_or_else(|_| panic!("{path} does not list {count} outcomes"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_asked_to_end_finishes_what_it_has_called_and_repeats_nothing() {
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(1_200, "individual_batch", &url).await;
    let life = endpoint.begin(0);
    let mut up = folder.start();
    life.until_called(AT_ONCE).await;
    up.ask_to_end();
    up.until_logged("stopping");
    life.answers.add_permits(Semaphore::MAX_PERMITS);
    let (ended, _) = up.ended();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let recorded = folder.recorded();
    assert!(recorded.len() >= AT_ONCE);
    assert_eq!(
        life.times_called().into_keys().collect::<BTreeSet<_>>(),
        recorded,
        "each call has its outcome"
    );
    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    finish(&folder, folder.start()).await;
    check_calls(&folder, &[Killed { life, recorded }], &last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_service_at_once_and_the_work_is_done_after_the_next_start() {
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(60, "individual_batch", &url).await;
    let life = endpoint.begin(0);
    let mut up = folder.start();
    life.until_called(AT_ONCE).await;
    up.ask_to_end();
    up.until_logged("stopping");
    up.ask_to_end();
    let (ended, took) = up.ended();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("stopped at once"), "{}", ended.stderr);
    assert!(took < Duration::from_secs(15), "{took:?}");
    let recorded = folder.recorded();
    assert!(recorded.is_empty());
    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    finish(&folder, folder.start()).await;
    check_calls(&folder, &[Killed { life, recorded }], &last);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_answered_within_the_grace_is_handed_back_and_that_is_no_failure() {
    let (endpoint, url) = Endpoint::serve().await;
    let folder = Folder::with_users(60, "individual_batch", &url).await;
    let life = endpoint.begin(0);
    let mut up = folder.start_with(&[("COHORT_SHUTDOWN_GRACE", "200ms")]);
    life.until_called(AT_ONCE).await;
    up.ask_to_end();
    up.until_logged("handed back");
    let (ended, _) = up.ended();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let recorded = folder.recorded();
    assert!(recorded.is_empty());
    let last = endpoint.begin(Semaphore::MAX_PERMITS);
    finish(&folder, folder.start()).await;
    check_calls(&folder, &[Killed { life, recorded }], &last);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_an_import_that_was_called_stored_outlives_the_kill() {
    const LINES: usize = 6_000;
    let folder = tempfile::tempdir().expect("a folder");
    let up = Up::start(folder.path(), &[], &[]);
    let due = SystemClock.now();
    let lines: String = (0..LINES).map(|number| line(number, due)).collect();
    let mut results = Box::pin(
        up.client().import(std::io::Cursor::new(lines.clone().into_bytes())).await.expect("taken"),
    );
    let mut stored = 0;
    while stored < 700 {
        let result = results.try_next().await.expect("it is alive").expect("there are more");
        assert_eq!(result.status, ImportStatus::Stored);
        stored += 1;
    }
    up.kill();
    while let Ok(Some(_)) = results.try_next().await {
        stored += 1;
    }

    let up = Up::start(folder.path(), &[], &[]);
    let again = up.client().import(std::io::Cursor::new(lines.into_bytes())).await.expect("taken");
    let again: Vec<_> = again.try_collect().await.expect("answered");
    let unchanged =
        again.iter().take_while(|result| result.status == ImportStatus::Unchanged).count();
    assert!(unchanged >= stored, "{stored} were called stored, {unchanged} are there");
    assert!(
        again[unchanged..].iter().all(|result| result.status == ImportStatus::Stored),
        "nothing behind a gap"
    );
    let groups = up.client().get_frequency_groups("posts").await.expect("listed");
    assert_eq!(groups.groups.iter().map(|group| group.count).sum::<u64>(), LINES as u64);
}
