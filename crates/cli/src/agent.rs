//! The agent of this process: how it is put together, started and stopped, whether it has the
//! process to itself or not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cohort_batch_agent::{
    AgentClock, Alteration, DynamicBatchScheduler, EnhancedBatchProcessor, JobRegistry, Ledger,
    LedgerRetention, RegistryError, ScheduleError, Serving, StartReport,
};
use cohort_config_client::ConfigDatabaseClient;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::config::Environment;
use crate::failure::WrongInput;
use crate::purposes::{Handlers, read_documents, wrong_input};
use crate::serving::Signals;

pub(crate) const GRACE_HELP: &str = "How long calls that are open may take after SIGTERM, such as \
    25s; the rest is done after the next start \
                                     [default: COHORT_SHUTDOWN_GRACE, or 25s]";

/// What `--help` says of how long the ledger remembers.
pub(crate) const RETENTION_HELP: &str = "How long closed runs and their outcomes are kept, such as \
    400d, at least 40d [default: \
                                         COHORT_LEDGER_RETENTION, or 400d]";

/// What an agent is made of.
pub(crate) struct Parts<'a> {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: Arc<dyn AgentClock>,
    pub(crate) holder: Holder,
    pub(crate) environment: &'a Environment,
    /// How long closed runs are kept.
    pub(crate) retention: LedgerRetention,
}

/// Who an agent is among those of its ledger.
pub(crate) struct Holder {
    /// The name in its claims.
    name: String,
    /// The name under which the ledger keeps what it was started with. Agents of one ledger have
    /// one batch config.
    started_as: &'static str,
    /// Whether no other agent can be there.
    is_alone: bool,
}

impl Holder {
    /// The one agent of a ledger whose folder it has locked: whoever had claims under its name
    /// before is gone.
    pub(crate) fn alone(name: &'static str) -> Self {
        Self { name: name.into(), started_as: name, is_alone: true }
    }

    /// One of several agents of a ledger. Its name is of this process only, so that it never takes
    /// another's claims for its own; those of the process before it are rescued when their lease
    /// runs out (F3).
    pub(crate) fn one_of_several(name: &'static str) -> Self {
        let unique = Uuid::new_v4().simple().to_string();
        Self {
            name: format!("{name}-{}-{}", std::process::id(), &unique[..12]),
            started_as: name,
            is_alone: false,
        }
    }
}

impl Parts<'_> {
    /// Applies the batch config of this start, if it is another than that of the last.
    pub(crate) async fn apply(&self, files: &[PathBuf]) -> anyhow::Result<()> {
        let documents = read_documents(files)?;
        if files.is_empty() {
            return Ok(());
        }
        let serving = Serving::new(
            Arc::new(Handlers { clock: Arc::clone(&self.clock) }),
            self.environment.max_concurrent_items()?,
        );
        let registry = JobRegistry::new(Arc::clone(&self.ledger), Arc::clone(&self.clock), serving);
        match registry.apply_at_start(&documents, self.holder.started_as).await {
            Ok(StartReport::Applied(report)) => {
                for change in
                    report.changes.iter().filter(|change| change.change != Alteration::Unchanged)
                {
                    tracing::info!(name = change.name, version = change.version,
                        change = ?change.change, "applied");
                }
            }
            Ok(StartReport::Known { in_force: true }) => {}
            Ok(StartReport::Known { in_force: false }) => tracing::warn!(
                "--batch-config is what the last start had, and other jobs or purposes were \
                 applied since: those stay; `cohort diff` \
                 shows the difference, `cohort apply` takes them back"
            ),
            Err(RegistryError::Ledger(error)) => {
                return Err(error).context("cannot store the batch config");
            }
            Err(error) => {
                let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
                return Err(
                    WrongInput(format!("{}: {}", files.join(", "), wrong_input(error))).into()
                );
            }
        }
        Ok(())
    }

    /// The processor, which follows what is stored.
    pub(crate) fn processor(
        &self,
        client: ConfigDatabaseClient,
    ) -> anyhow::Result<EnhancedBatchProcessor> {
        let handlers = Arc::new(Handlers { clock: Arc::clone(&self.clock) });
        let builder = EnhancedBatchProcessor::builder(client, Arc::clone(&self.ledger))
            .clock(Arc::clone(&self.clock))
            .holder(&self.holder.name);
        let builder = builder
            .stored_jobs(handlers)
            .max_concurrent_items(self.environment.max_concurrent_items()?);
        builder.retry_limit(self.environment.retry_limit()?).build().map_err(wrong_input)
    }

    /// The scheduler, whose schedules are not read yet. What an agent before it had in hand is done
    /// again, if it is alone.
    pub(crate) async fn scheduler(
        &self,
        processor: &EnhancedBatchProcessor,
    ) -> anyhow::Result<Arc<DynamicBatchScheduler>> {
        let taken_back = if self.holder.is_alone {
            processor.take_back_claims().await.context("cannot read the ledger")?
        } else {
            0
        };
        if taken_back > 0 {
            tracing::warn!(
                chunks = taken_back,
                "work that was in hand when the last process ended is done again"
            );
        }
        let scheduler =
            DynamicBatchScheduler::new(processor.clone(), self.environment.poll_interval()?);
        Ok(Arc::new(scheduler.retention(self.retention)))
    }
}

/// Reads the schedules; what the operator has to mend is wrong input.
pub(crate) async fn read_schedules(scheduler: &DynamicBatchScheduler) -> anyhow::Result<()> {
    match scheduler.initialize_dynamic_schedules().await {
        Err(error @ (ScheduleError::Unresolved { .. } | ScheduleError::Unserved(_))) => {
            Err(wrong_input(error))
        }
        read => {
            read.context("cannot read the groups")?;
            if scheduler.schedules().is_empty() {
                tracing::info!(
                    "no group is scheduled yet: preferences are kept, and nothing runs; `cohort \
                     jobs` lists the jobs"
                );
            }
            Ok(())
        }
    }
}

/// An agent at work.
pub(crate) struct Working {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Working {
    /// Begins to work; what is in hand when it stops has so much grace.
    pub(crate) fn begin(
        scheduler: Arc<DynamicBatchScheduler>,
        processor: EnhancedBatchProcessor,
        grace: Duration,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            tokio::join!(scheduler.run(stopped.clone()), processor.run(stopped, grace));
        });
        Self { stop, task }
    }

    /// Finishes what is in hand, unless another signal says at once (F6).
    pub(crate) async fn stop(self, signals: &mut Signals) -> anyhow::Result<()> {
        tracing::info!("stopping: work in hand is finished, the rest is done after the next start");
        self.stop.send_replace(true);
        tokio::select! {
            done = self.task => done.context("the agent broke down"),
            () = signals.next() => anyhow::bail!("stopped at once; work in hand is done again \
                after the next start"),
        }
    }
}
