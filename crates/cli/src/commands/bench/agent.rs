//! The agent of a bench: the real scheduler and processor on the real service and a ledger, with a
//! handler that only notes when it was called.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use cohort_batch_agent::{
    AgentClock, DynamicBatchScheduler, EnhancedBatchProcessor, Handler, HandlerError, Ledger,
    RunId, SystemClock, UserResult, Work,
};
use cohort_config_client::ConfigDatabaseClient;
use cohort_preferences::{BatchConfig, Clock, Job};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::stage::Stage;
use super::users;

/// How often everything is read again.
const POLL_INTERVAL: Duration = Duration::from_mins(1);

/// How many agents there were: each has a name of its own.
static AGENTS: AtomicU32 = AtomicU32::new(0);

/// The purpose of the job.
const PURPOSE: &str = "note";

/// Notes when each call came.
pub(super) struct Notes {
    clock: Arc<dyn AgentClock>,
    calls: Mutex<Vec<Called>>,
}

/// A call of one user.
#[derive(Debug, Clone, Copy)]
pub(super) struct Called {
    pub(super) run: RunId,
    pub(super) at: Timestamp,
}

impl Notes {
    pub(super) fn new(clock: Arc<dyn AgentClock>) -> Arc<Self> {
        Arc::new(Self { clock, calls: Mutex::default() })
    }

    /// Returns the calls since the last time that they were taken.
    pub(super) fn take(&self) -> Vec<Called> {
        std::mem::take(&mut self.calls.lock().expect("nobody panics while it notes a call"))
    }
}

#[async_trait]
impl Handler for Notes {
    async fn call(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        let called = Called { run: work.run_id, at: Clock::now(&*self.clock) };
        self.calls
            .lock()
            .expect("nobody panics while it notes a call")
            .extend(work.users.iter().map(|_| called));
        Ok(work.users.iter().map(|user| UserResult::succeeded(user.tenant_id.clone())).collect())
    }
}

/// An agent whose schedules are read, and which does not work yet.
pub(super) struct Agent {
    scheduler: Arc<DynamicBatchScheduler>,
    processor: EnhancedBatchProcessor,
}

/// An agent at work.
pub(super) struct Working {
    pub(super) scheduler: Arc<DynamicBatchScheduler>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Users called at once, as many as an agent calls unless told otherwise.
const MOST_AT_ONCE: usize = 25;

impl Agent {
    /// Reads the schedules of the one job, on the host's clock and with the ledger of the stage.
    pub(super) async fn ready_on(
        stage: &Stage,
        client: ConfigDatabaseClient,
    ) -> anyhow::Result<Self> {
        let (ledger, clock) = (Arc::clone(&stage.ledger), Arc::new(SystemClock));
        Self::ready(client, ledger, clock.clone(), Notes::new(clock), MOST_AT_ONCE).await
    }

    /// Reads the schedules of the one job.
    pub(super) async fn ready(
        client: ConfigDatabaseClient,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn AgentClock>,
        handler: Arc<dyn Handler>,
        max_concurrent_items: usize,
    ) -> anyhow::Result<Self> {
        let holder = format!("bench-{}", AGENTS.fetch_add(1, Ordering::Relaxed));
        let builder = EnhancedBatchProcessor::builder(client, ledger)
            .clock(clock)
            .holder(&holder)
            .handler(PURPOSE, handler)
            .jobs([job()?]);
        let processor = builder
            .max_concurrent_items(max_concurrent_items)
            .build()
            .context("cannot make an agent")?;
        let scheduler = DynamicBatchScheduler::new(processor.clone(), POLL_INTERVAL);
        scheduler.initialize_dynamic_schedules().await.context("cannot read the groups")?;
        Ok(Self { scheduler: Arc::new(scheduler), processor })
    }

    /// Returns how many groups it has schedules for.
    pub(super) fn schedules(&self) -> usize {
        self.scheduler.schedules().len()
    }

    /// Sets it to work.
    pub(super) fn work(self) -> Working {
        let (stop, stopped) = watch::channel(false);
        let (scheduler, processor) = (Arc::clone(&self.scheduler), self.processor);
        let task = tokio::spawn(async move {
            tokio::join!(
                scheduler.run(stopped.clone()),
                processor.run(stopped, Duration::from_secs(5))
            );
        });
        Working { scheduler: self.scheduler, stop, task }
    }
}

impl Working {
    /// Lets it finish.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        self.task.await.context("the agent broke down")
    }
}

fn job() -> anyhow::Result<Job> {
    let job = json!({
        "job_id": "bench", "type": "individual_batch", "purpose_id": PURPOSE,
        "preference_based": true, "feature_type": users::FEATURE,
        "catchup_window": "1h",
    });
    let mut config = BatchConfig::from_json(&job.to_string()).context("a job of ours is none")?;
    config.jobs.pop().context("a job of ours is none")
}
