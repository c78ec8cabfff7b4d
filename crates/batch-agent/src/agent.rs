//! `Agent`: the processor and its scheduler, started and stopped together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::Receiver;

use crate::processor::EnhancedBatchProcessor;
use crate::scheduler::{DynamicBatchScheduler, ScheduleError};
use crate::source::SourceError;

/// How long to wait before the Config Database is asked again at the start.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// A whole agent: a scheduler that opens runs, and the processor that works on them. Cheap to
/// clone; clones are the same agent.
///
/// ```no_run
/// # async fn example(
/// #     processor: cohort_batch_agent::EnhancedBatchProcessor,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use cohort_batch_agent::Agent;
/// use tokio::sync::watch;
///
/// // Send `true` to stop, for instance at SIGTERM.
/// let (_stop, stopped) = watch::channel(false);
/// let agent = Agent::new(processor, Duration::from_secs(60));
/// agent.run(stopped, Duration::from_secs(25)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Agent {
    processor: EnhancedBatchProcessor,
    scheduler: Arc<DynamicBatchScheduler>,
}

impl Agent {
    /// An agent of this processor. Its scheduler reads all groups anew at every `poll_interval`,
    /// as a safety net beside the change feed (F8).
    pub fn new(processor: EnhancedBatchProcessor, poll_interval: Duration) -> Self {
        let scheduler = DynamicBatchScheduler::new(processor.clone(), poll_interval);
        Self::of(processor, Arc::new(scheduler))
    }

    /// An agent of a processor and a scheduler that was made for it.
    pub fn of(processor: EnhancedBatchProcessor, scheduler: Arc<DynamicBatchScheduler>) -> Self {
        Self { processor, scheduler }
    }

    /// The processor, for instance to process a batch by hand.
    pub fn processor(&self) -> &EnhancedBatchProcessor {
        &self.processor
    }

    /// The scheduler, for instance to look at its schedules.
    pub fn scheduler(&self) -> &Arc<DynamicBatchScheduler> {
        &self.scheduler
    }

    /// Makes the schedules, unless that was done, then opens and processes runs until `shutdown`
    /// turns true or its sender is dropped. Calls that are open by then may take as long as
    /// `grace`; what does not finish is given back to the ledger, for the next start or for
    /// another agent (F6).
    ///
    /// A Config Database that does not answer is waited for, and the agent is not ready meanwhile
    /// (F4, F12).
    ///
    /// # Errors
    /// If the schedules cannot be made: the Config Database refuses the key, the ledger does not
    /// answer, or a stored job cannot be served here. Later faults are logged and outlasted.
    pub async fn run(
        &self,
        shutdown: Receiver<bool>,
        grace: Duration,
    ) -> Result<(), ScheduleError> {
        let mut ended = shutdown.clone();
        if !self.processor.feed().is_following() {
            tokio::select! {
                // A sender that is gone has nothing left to run for.
                _ended_or_gone = ended.wait_for(|ended| *ended) => return Ok(()),
                made = self.make_schedules() => made?,
            }
        }
        tokio::join!(self.scheduler.run(shutdown.clone()), self.processor.run(shutdown, grace));
        Ok(())
    }

    /// Makes the schedules once the Config Database answers.
    async fn make_schedules(&self) -> Result<(), ScheduleError> {
        loop {
            let made = self.scheduler.initialize_dynamic_schedules().await;
            let Err(ScheduleError::Source(SourceError::Unavailable(error))) = &made else {
                return made;
            };
            let error: &(dyn std::error::Error + 'static) = &**error;
            tracing::warn!(
                error,
                retry_in = ?BETWEEN_TRIES,
                "the Config Database does not answer yet: nothing is scheduled"
            );
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }
}
