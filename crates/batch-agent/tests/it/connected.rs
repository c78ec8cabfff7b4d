//! A real Config Database, a network that misbehaves when it is told to, and a real agent behind
//! it, in real time.
//!
//! ```text
//! Config Database (SQLite) ◄─HTTP─ Front ◄─ FaultProxy ◄─ ConfigDatabaseClient
//!            ▲                                                    ▲
//!            └─HTTP─ a client that no fault touches:              │
//!                    the users' edits                             │
//!                               SQLite ledger ◄── scheduler and processor
//!                                                                 │
//!                                                                 ▼
//!                                                 a handler that notes its calls
//! ```
//!
//! The proxy knows bytes, the front knows routes: it answers some of them in the Config Database's
//! place.
//!
//! All share one clock, which goes as the host's does and is set to just before the due instant.

use std::collections::{BTreeMap, BTreeSet};
use std::future::IntoFuture;
use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use cohort_batch_agent::{
    AgentClock, DynamicBatchScheduler, EnhancedBatchProcessor, HandlerError, Ledger, OutcomeQuery,
    OutcomeRecord, RunQuery, RunState, ShiftedClock, SqliteLedger, StatusName, handler_fn,
};
use cohort_config_client::{ConfigDatabaseClient, ImportStatus};
use cohort_config_service::{ConfigService, ConfigServiceOptions, Scope};
use cohort_fault_proxy::FaultProxy;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::stage::{instant, job};

/// Far longer than anything takes that does not hang.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often something is looked at that does not tell of itself.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) struct Connected {
    pub(crate) clock: ShiftedClock,
    pub(crate) proxy: FaultProxy,
    pub(crate) front: Front,
    /// A client that no fault can touch.
    pub(crate) direct: ConfigDatabaseClient,
    key: String,
    ledger: SqliteLedger,
    calls: Arc<Mutex<Vec<Call>>>,
    _folder: TempDir,
}

/// Stands before the routes, and answers some of them itself.
#[derive(Clone, Default)]
pub(crate) struct Front(Arc<Mutex<Vec<Lie>>>);

/// An answer in place of the Config Database's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lie {
    /// Whether a request with this path and query gets it.
    pub(crate) is_told_to: fn(&str) -> bool,
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    pub(crate) body: &'static str,
}

/// One user, as the handler was called for.
struct Call {
    tenant: String,
    key: String,
}

/// An agent at work.
pub(crate) struct Agent {
    scheduler: Arc<DynamicBatchScheduler>,
    stop: watch::Sender<bool>,
    working: JoinHandle<()>,
}

/// What must have become of users at the end.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// Have one outcome each, on this zone's clock, and were called once.
    pub(crate) called: BTreeMap<String, &'static str>,
    /// Of those, the ones that switched off in time to be skipped, which need not have been
    /// noticed.
    pub(crate) may_be_skipped: BTreeSet<String>,
}

impl Connected {
    /// A Config Database without users, whose clock shows `start`.
    pub(crate) async fn at(start: &str) -> Self {
        let (folder, clock) = (TempDir::new().expect("a folder"), ShiftedClock::default());
        clock.set_to(instant(start));
        let options =
            ConfigServiceOptions::sqlite(folder.path().join("config.db"), Arc::new(clock.clone()));
        let service = ConfigService::open(options).await.expect("opened");
        let key = service.create_key("test", Scope::Admin).await.expect("made");
        let front = Front::default();
        let fronted =
            serve(service.router().layer(from_fn_with_state(front.clone(), Front::answer))).await;
        let proxy = FaultProxy::before(fronted).expect("a free port");
        let address = serve(service.router()).await;
        let direct = ConfigDatabaseClient::builder(format!("http://{address}/api/v1"))
            .api_key(&key)
            .build()
            .expect("valid");
        let ledger = SqliteLedger::open(&folder.path().join("ledger.db"), false).expect("a ledger");
        Self { clock, proxy, front, direct, key, ledger, calls: Arc::default(), _folder: folder }
    }

    /// Stores preferences, past the proxy.
    pub(crate) async fn store(&self, preferences: impl IntoIterator<Item = (String, Value)>) {
        let line = |(tenant, preference)| {
            json!({"tenant_id": tenant, "feature_type": "posts", "preference": preference})
                .to_string()
        };
        let lines: Vec<String> = preferences.into_iter().map(line).collect();
        let results =
            self.direct.import(Cursor::new(lines.join("\n").into_bytes())).await.expect("taken");
        let results: Vec<_> = results.try_collect().await.expect("answered");
        assert!(results.iter().all(|line| line.status == ImportStatus::Stored), "{results:?}");
        assert_eq!(results.len(), lines.len());
    }

    /// Starts an agent that reads all groups anew so often, and otherwise rests on the feed.
    pub(crate) async fn agent(&self, refresh_every: Duration) -> Agent {
        let processor = EnhancedBatchProcessor::builder(self.client(), self.ledger.clone())
            .clock(Arc::new(self.clock.clone()))
            .handler("write", self.handler())
            .jobs([job(&json!({}))])
            .build()
            .expect("a processor");
        let scheduler = Arc::new(DynamicBatchScheduler::new(processor.clone(), refresh_every));
        scheduler.initialize_dynamic_schedules().await.expect("schedules");
        let (stop, stopped) = watch::channel(false);
        let at_work = Arc::clone(&scheduler);
        let working = tokio::spawn(async move {
            tokio::join!(at_work.run(stopped.clone()), processor.run(stopped, PATIENCE));
        });
        Agent { scheduler, stop, working }
    }

    /// A client that reaches the Config Database through the proxy, and does not wait long.
    fn client(&self) -> ConfigDatabaseClient {
        ConfigDatabaseClient::builder(format!("http://{}/api/v1", self.proxy.address()))
            .api_key(&self.key)
            .connect_timeout(Duration::from_millis(500))
            .request_timeout(Duration::from_secs(1))
            .breaker_wait(Duration::from_millis(50))
            .poll_interval(Duration::from_millis(500))
            .longest_silence(Duration::from_secs(2))
            .build()
            .expect("valid")
    }

    fn handler(&self) -> Arc<dyn cohort_batch_agent::Handler> {
        let calls = Arc::clone(&self.calls);
        handler_fn(move |user: cohort_batch_agent::UserWork| {
            calls
                .lock()
                .expect("no panic holds it")
                .push(Call { tenant: user.tenant_id.to_string(), key: user.key });
            async { Ok::<(), HandlerError>(()) }
        })
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.lock().expect("no panic holds it").len()
    }

    pub(crate) async fn clock_shows(&self, time: &str) {
        self.clock.sleep_until(instant(time)).await;
    }

    async fn outcomes(&self) -> Vec<OutcomeRecord> {
        let query = OutcomeQuery { limit: Some(5_000), ..OutcomeQuery::default() };
        self.ledger.outcomes(query).await.expect("outcomes").0
    }

    /// Returns once so many users have an outcome and no run is open.
    pub(crate) async fn has_recorded(&self, users: usize) {
        let all = async {
            while self.outcomes().await.len() < users || self.has_open_runs().await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            let runs = self.ledger.runs(RunQuery::default()).await.expect("runs");
            panic!("{} of {users} users have an outcome: {runs:#?}", self.outcomes().await.len());
        }
    }

    async fn has_open_runs(&self) -> bool {
        self.ledger
            .runs(RunQuery::default())
            .await
            .expect("runs")
            .iter()
            .any(|run| run.state != RunState::Closed)
    }

    /// Zero lost, zero doubled, nobody else: in the record, and as the handler saw it.
    pub(crate) async fn check(&self, expected: &Expected) {
        let mut keys: BTreeMap<String, String> = BTreeMap::new();
        let mut zones = BTreeMap::new();
        for outcome in self.outcomes().await {
            let tenant = outcome.tenant_id.to_string();
            assert_eq!(
                zones.insert(tenant.clone(), outcome.timezone.clone()),
                None,
                "two outcomes: {outcome:?}"
            );
            match (outcome.status, outcome.reason.as_deref()) {
                (StatusName::Succeeded, _) => drop(keys.insert(outcome.key, tenant)),
                (StatusName::Skipped, Some("disabled"))
                    if expected.may_be_skipped.contains(&tenant) => {}
                _ => panic!("neither called nor rightly skipped: {outcome:?}"),
            }
        }
        let wanted: BTreeMap<_, _> = expected
            .called
            .iter()
            .map(|(tenant, zone)| (tenant.clone(), (*zone).to_owned()))
            .collect();
        let lost: Vec<_> =
            wanted.iter().filter(|(tenant, zone)| zones.get(*tenant) != Some(*zone)).collect();
        let strange: Vec<_> = zones.keys().filter(|tenant| !wanted.contains_key(*tenant)).collect();
        assert!(
            lost.is_empty() && strange.is_empty(),
            "lost: {lost:?}; processed, and should not be: {strange:?}"
        );
        let calls = self.calls.lock().expect("no panic holds it");
        let called: BTreeMap<_, _> =
            calls.iter().map(|call| (call.key.clone(), call.tenant.clone())).collect();
        assert_eq!(called.len(), calls.len(), "a key was called twice");
        assert_eq!(called, keys, "calls, and outcomes that say of one that it succeeded");
    }
}

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(axum::serve(listener, router).into_future());
    address
}

impl Front {
    /// From now on these are told, and no others.
    pub(crate) fn tell(&self, lies: &[Lie]) {
        *self.0.lock().expect("no panic holds it") = lies.to_vec();
    }

    async fn answer(State(front): State<Self>, request: Request, next: Next) -> Response {
        let asked = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let lie = front
            .0
            .lock()
            .expect("no panic holds it")
            .iter()
            .find(|lie| (lie.is_told_to)(&asked))
            .copied();
        match lie {
            Some(lie) => (lie.status, [(CONTENT_TYPE, lie.kind)], lie.body).into_response(),
            None => next.run(request).await,
        }
    }
}

impl Agent {
    /// Returns once it counts so many users in its schedules.
    pub(crate) async fn knows_of(&self, users: u64) {
        let known =
            || self.scheduler.schedules().iter().map(|schedule| schedule.members).sum::<u64>();
        let all = async {
            while known() != users {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, all).await.is_ok(),
            "it knows of {} users in place of {users}",
            known()
        );
    }

    /// Ends it as SIGTERM would: what is in hand is finished.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.working.await.expect("no panic");
    }
}
