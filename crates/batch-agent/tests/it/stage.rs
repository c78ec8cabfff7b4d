//! One job, its users, its handler and its ledger, and agents that come and go between them.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cohort_batch_agent::{
    CompletenessCheck, CompletenessReport, Depth, DynamicBatchScheduler, EnhancedBatchProcessor,
    Evidence, Handler, HandlerFactory, JobRegistry, Jobs, Ledger, OutcomeQuery, OutcomeRecord,
    PostgresLedger, ProcessorBuilder, Run, RunQuery, ServedPurpose, Serving, SimulatedClock,
    SqliteLedger,
};
use cohort_database::testing::{TestDatabase, fresh_postgres};
use cohort_preferences::{BatchConfig, Clock, Job, Purpose};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::handler::RecordingHandler;
use crate::source::{Faults, TestSource};

pub(crate) struct Stage {
    pub(crate) clock: SimulatedClock,
    pub(crate) source: TestSource,
    pub(crate) handler: Arc<RecordingHandler>,
    pub(crate) job: Job,
    storage: Storage,
}

/// Which database holds the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    /// Needs `scripts/with-postgres`.
    Postgres,
}

/// Where the ledger is.
enum Storage {
    /// A file in it, which the agents of this process share a handle to: it has one at a time.
    Sqlite(TempDir, OnceLock<SqliteLedger>),
    /// A schema, which the agents of this process share a handle to.
    Postgres(TestDatabase, Arc<dyn Ledger>),
}

/// An agent between its start and its death.
pub(crate) struct Agent {
    pub(crate) scheduler: DynamicBatchScheduler,
    pub(crate) processor: EnhancedBatchProcessor,
    clock: SimulatedClock,
}

/// Serves every `http` purpose with the stage's handler.
struct OneHandler(Arc<RecordingHandler>);

impl HandlerFactory for OneHandler {
    fn make(
        &self,
        purpose: &Purpose,
    ) -> Result<ServedPurpose, Box<dyn std::error::Error + Send + Sync>> {
        match purpose {
            Purpose::Http(http) => {
                Ok(ServedPurpose { handler: self.0.clone(), max_concurrency: http.max_concurrency })
            }
            _ => Err("only http is served".into()),
        }
    }
}

/// An instant from its text.
pub(crate) fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// The job of the stage, with some of its fields set.
pub(crate) fn job(fields: &Value) -> Job {
    let mut job = json!({
        "job_id": "write_posts", "type": "individual_batch", "purpose_id": "write",
        "preference_based": true, "feature_type": "posts"
    });
    let fields = fields.as_object().expect("fields").clone();
    job.as_object_mut().expect("an object").extend(fields);
    BatchConfig::from_json(&job.to_string()).expect("a valid job").jobs.remove(0)
}

/// A daily preference.
pub(crate) fn daily(time: &str) -> Value {
    json!({"frequency": "daily", "preferred_time": time, "timezone": "UTC"})
}

impl Stage {
    /// A stage whose clock shows `start`.
    pub(crate) fn at(start: &str, fields: &Value) -> Self {
        Self::in_folder(TempDir::new().expect("a folder"), start, fields)
    }

    /// The same with a ledger in memory, where the system has files there: for lives so many that
    /// the disk would count.
    pub(crate) fn in_memory_at(start: &str, fields: &Value) -> Self {
        let folder = TempDir::new_in("/dev/shm").or_else(|_none_there| TempDir::new());
        Self::in_folder(folder.expect("a folder"), start, fields)
    }

    fn in_folder(folder: TempDir, start: &str, fields: &Value) -> Self {
        let clock = SimulatedClock::starting_at(instant(start));
        let source = TestSource::new(clock.clone());
        let handler = Arc::new(RecordingHandler::new(clock.clone()));
        Self {
            clock,
            source,
            handler,
            job: job(fields),
            storage: Storage::Sqlite(folder, OnceLock::new()),
        }
    }

    /// A stage with so many users (`u0`, `u1` …) at nine o'clock, six hours before it.
    pub(crate) fn with_daily_users(users: usize, fields: &Value) -> Self {
        let stage = Self::at("2026-12-01T03:00:00Z", fields);
        for user in 0..users {
            stage.source.set(&format!("u{user}"), daily("09:00"));
        }
        stage
    }

    /// The same stage with its ledger on another database. What an earlier ledger holds is left
    /// behind.
    pub(crate) async fn on(mut self, backend: Backend) -> Self {
        self.storage = match backend {
            Backend::Sqlite => Storage::Sqlite(TempDir::new().expect("a folder"), OnceLock::new()),
            Backend::Postgres => {
                let database = fresh_postgres();
                let ledger = PostgresLedger::open(&database.url, database.schema.as_str())
                    .await
                    .expect("a ledger");
                Storage::Postgres(database, ledger.into())
            }
        };
        self
    }

    pub(crate) fn ledger(&self) -> Arc<dyn Ledger> {
        match &self.storage {
            Storage::Sqlite(_, opened) => {
                let open = || SqliteLedger::open(&self.ledger_file(), false).expect("a ledger");
                opened.get_or_init(open).clone().into()
            }
            Storage::Postgres(_, ledger) => Arc::clone(ledger),
        }
    }

    /// The ledger as another process has it.
    pub(crate) async fn ledger_of_another_process(&self) -> Arc<dyn Ledger> {
        match &self.storage {
            Storage::Sqlite(..) => self.ledger(),
            Storage::Postgres(database, _) => {
                PostgresLedger::open(&database.url, database.schema.as_str())
                    .await
                    .expect("a ledger")
                    .into()
            }
        }
    }

    /// The file of a ledger on SQLite.
    pub(crate) fn ledger_file(&self) -> PathBuf {
        match &self.storage {
            Storage::Sqlite(folder, _) => folder.path().join("ledger.db"),
            Storage::Postgres(..) => panic!("a ledger on PostgreSQL is no file"),
        }
    }

    pub(crate) fn builder(&self) -> ProcessorBuilder {
        self.builder_on(self.ledger())
    }

    /// An agent that has the ledger by this handle.
    pub(crate) fn builder_on(&self, ledger: Arc<dyn Ledger>) -> ProcessorBuilder {
        let handler: Arc<dyn Handler> = self.handler.clone();
        EnhancedBatchProcessor::builder(self.source.clone(), ledger)
            .clock(Arc::new(self.clock.clone()))
            .max_retry_after(SignedDuration::from_hours(24))
            .handler("write", handler)
            .jobs([self.job.clone()])
    }

    /// An agent that has no jobs of its own and follows those that the ledger keeps.
    pub(crate) fn stored_builder(&self) -> ProcessorBuilder {
        EnhancedBatchProcessor::builder(self.source.clone(), self.ledger())
            .clock(Arc::new(self.clock.clone()))
            .stored_jobs(Arc::new(OneHandler(self.handler.clone())))
    }

    /// The registry of the ledger, as a command has it that acts on the files.
    pub(crate) fn registry(&self) -> JobRegistry {
        let serving = Serving::new(Arc::new(OneHandler(self.handler.clone())), 25);
        JobRegistry::new(self.ledger(), Arc::new(self.clock.clone()), serving)
    }

    /// Starts an agent as after the death of an earlier one.
    pub(crate) async fn agent(&self) -> Agent {
        self.agent_of(self.builder()).await
    }

    pub(crate) async fn agent_of(&self, builder: ProcessorBuilder) -> Agent {
        let processor = builder.build().expect("a processor");
        processor.take_back_claims().await.expect("claims taken back");
        let scheduler = DynamicBatchScheduler::new(processor.clone(), Duration::from_mins(1));
        scheduler.initialize_dynamic_schedules().await.expect("schedules");
        Agent { scheduler, processor, clock: self.clock.clone() }
    }

    /// A life of one agent, from now to `end`.
    pub(crate) async fn run_until(&self, end: &str) {
        self.agent().await.until(end).await;
    }

    /// Runs an agent until the handler or the source hangs, and lets it die there.
    pub(crate) async fn run_until_killed(&self) {
        let agent = self.agent().await;
        tokio::select! {
            () = agent.until("2027-01-01T00:00:00Z") => panic!("the agent finished although \
                something should hang"),
            () = self.handler.hung.notified() => {}
            () = self.source.hung.notified() => {}
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn now_away(&self) {
        self.source.faults(Faults { away: true, ..Faults::default() });
    }

    pub(crate) fn now_well(&self) {
        self.source.faults(Faults::default());
    }

    /// What was due since an instant and what of it is on record, each run's members counted (A1).
    pub(crate) async fn completeness(&self, since: &str) -> CompletenessReport {
        let processor = self.builder().build().expect("a processor");
        let check = CompletenessCheck::new(self.evidence(Some(processor.jobs().clone())));
        check.report_since(instant(since), Depth::Members).await.expect("a report")
    }

    /// Whom to ask about what should have been done and what was.
    pub(crate) fn evidence(&self, jobs: Option<Jobs>) -> Evidence {
        Evidence {
            source: Arc::new(self.source.clone()),
            ledger: self.ledger(),
            clock: Arc::new(self.clock.clone()),
            jobs,
        }
    }

    pub(crate) async fn outcomes(&self) -> Vec<OutcomeRecord> {
        self.ledger().outcomes(OutcomeQuery::default()).await.expect("outcomes").0
    }

    /// One user's outcomes, as `2026-12-01T09:00 skipped(disabled)`.
    pub(crate) async fn told_of(&self, tenant: &str) -> Vec<String> {
        self.outcomes()
            .await
            .iter()
            .filter(|outcome| outcome.tenant_id.as_str() == tenant)
            .map(told)
            .collect()
    }

    /// All runs, oldest first.
    pub(crate) async fn runs(&self) -> Vec<Run> {
        let mut runs = self.ledger().runs(RunQuery::default()).await.expect("runs");
        runs.sort_by_key(|run| run.occurrence.at);
        runs
    }

    /// All runs, as `2026-12-01T09:00 closed succeeded=5 missed=0 -`.
    pub(crate) async fn told_runs(&self) -> Vec<String> {
        let reason = |run: &Run| run.reason.map_or("-", |reason| reason.as_str());
        let told = |run: &Run| {
            let state = json!(run.state);
            let state = state.as_str().expect("a text").to_owned();
            format!(
                "{} {state} succeeded={} missed={} {}",
                run.occurrence.nominal,
                run.counts.succeeded,
                run.counts.missed,
                reason(run)
            )
        };
        self.runs().await.iter().map(told).collect()
    }

    /// Asserts that each user has exactly one outcome a nominal time, and each of them succeeded.
    pub(crate) async fn assert_each_succeeded_once(&self, users: usize, nominals: &[&str]) {
        let mut got: Vec<_> = self
            .outcomes()
            .await
            .iter()
            .map(|outcome| format!("{} {}", outcome.tenant_id, told(outcome)))
            .collect();
        got.sort();
        let all = (0..users).flat_map(|user| {
            nominals.iter().map(move |nominal| format!("u{user} {nominal} succeeded"))
        });
        let mut expected: Vec<_> = all.collect();
        expected.sort();
        let lacking: Vec<_> = expected.iter().filter(|outcome| !got.contains(outcome)).collect();
        let strange: Vec<_> = got.iter().filter(|outcome| !expected.contains(outcome)).collect();
        assert_eq!(
            (lacking, strange, got.len()),
            (Vec::new(), Vec::new(), expected.len()),
            "lacking, strange, how many"
        );
    }
}

impl Agent {
    pub(crate) async fn until(&self, end: &str) {
        self.scheduler
            .run_simulated_until(&self.clock, instant(end))
            .await
            .expect("simulated time goes on");
    }
}

fn told(outcome: &OutcomeRecord) -> String {
    let status = json!(outcome.status);
    let status = status.as_str().expect("a text");
    match &outcome.reason {
        Some(reason) => format!("{} {status}({reason})", outcome.nominal),
        None => format!("{} {status}", outcome.nominal),
    }
}
