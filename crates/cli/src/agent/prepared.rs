//! An agent from its first reading of the schedules to its end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cohort_batch_agent::{
    DynamicBatchScheduler, EnhancedBatchProcessor, JobRegistry, ScheduleError,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::wrong_input_with_causes;
use crate::serving::Signals;

/// An agent that is put together, and does not work yet.
pub(crate) struct PreparedAgent {
    pub(crate) scheduler: Arc<DynamicBatchScheduler>,
    pub(crate) processor: EnhancedBatchProcessor,
    /// How long open calls may take once it is to stop.
    pub(super) grace: Duration,
}

impl PreparedAgent {
    /// Returns the jobs of this agent.
    pub(crate) fn registry(&self) -> JobRegistry {
        JobRegistry::of_agent(&self.processor)
    }

    /// Reads the schedules; what the operator has to mend is wrong input.
    pub(crate) async fn read_schedules(&self) -> anyhow::Result<()> {
        let read = self.scheduler.initialize_dynamic_schedules().await;
        if let Err(error @ (ScheduleError::Unresolved { .. } | ScheduleError::Unserved(_))) = &read
        {
            return Err(wrong_input_with_causes(error));
        }
        read.context("cannot read the groups")?;
        if self.scheduler.schedules().is_empty() {
            tracing::info!(
                "no group is scheduled yet: preferences are kept, and nothing runs; `cohort jobs` \
                 lists the jobs"
            );
        }
        Ok(())
    }

    /// Works until a signal comes, and then finishes the work in hand, unless another signal ends
    /// that too (F6).
    pub(crate) async fn work(self, signals: &mut Signals) -> anyhow::Result<()> {
        let grace = self.grace;
        let (stop, task) = self.begin();
        signals.next().await;
        tracing::info!(
            ?grace,
            "stopping: work in hand is finished, the rest is done after the next start"
        );
        stop.send_replace(true);
        signals.unless_again(async { task.await.context("the agent broke down") }).await
    }

    fn begin(self) -> (watch::Sender<bool>, JoinHandle<()>) {
        let Self { scheduler, processor, grace } = self;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            tokio::join!(scheduler.run(stopped.clone()), processor.run(stopped, grace));
        });
        (stop, task)
    }
}
