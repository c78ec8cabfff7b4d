//! How a ledger that was restored goes on (F11).

use cohort_ledger::{Recovery, RecoveryChoice};
use cohort_preferences::JobId;
use jiff::Timestamp;
use serde::Serialize;

use crate::registry::{JobRegistry, RegistryError};
use crate::schedules::{Named, Verdict};

/// A restored ledger, and what fell due since its last moment.
#[derive(Debug, Clone, Serialize)]
pub struct RecoveryView {
    /// How the ledger came to be; `None` if it was not made from a copy.
    pub recovery: Option<Recovery>,
    /// Whether agents hold.
    pub held: bool,
    /// The end of the gap, while it is open.
    pub until: Timestamp,
    /// What fell due, by job; `None` where no agent knows the groups, or nothing is held.
    pub gap: Option<Vec<GapOfJob>>,
}

/// What fell due for a job and is not on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GapOfJob {
    /// Which job.
    pub job_id: JobId,
    /// How many occurrences.
    pub occurrences: usize,
    /// How many of them `rerun` would run (F1).
    pub rerun_runs: usize,
    /// How many of them `rerun` would record as missed or skipped.
    pub rerun_misses: usize,
}

impl JobRegistry {
    /// Returns whether the ledger was restored, and what fell due since.
    pub async fn recovery(&self) -> Result<RecoveryView, RegistryError> {
        let recovery = self.ledger.recovery().await?;
        let held = recovery.as_ref().is_some_and(Recovery::is_held);
        let until = self.clock.now();
        let gap = if held { self.gap(until) } else { None };
        Ok(RecoveryView { recovery, held, until, gap })
    }

    /// Lets a ledger that is held go on, as `by` decides.
    ///
    /// # Errors
    /// [`RegistryError::NotHeld`] if it was not held.
    pub async fn recover(
        &self,
        choice: RecoveryChoice,
        by: &str,
    ) -> Result<Recovery, RegistryError> {
        if let Some(reason) = &self.read_only {
            return Err(RegistryError::ReadOnly(reason.clone()));
        }
        let decided = self.ledger.decide_recovery(choice, by.into(), self.clock.now()).await?;
        let decided = decided.ok_or(RegistryError::NotHeld)?;
        tracing::warn!(%choice, by, as_of = %decided.as_of, "the restored ledger goes on");
        Ok(decided)
    }

    /// Refuses what would call somebody, while nobody may be.
    pub(super) fn refuse_while_held(&self) -> Result<(), RegistryError> {
        let agent = self.agent.as_ref();
        let is_held = agent.is_some_and(|agent| agent.shared().recovery.is_held());
        if is_held { Err(RegistryError::Held) } else { Ok(()) }
    }

    fn gap(&self, until: Timestamp) -> Option<Vec<GapOfJob>> {
        let agent = self.agent.as_ref().filter(|agent| agent.feed().was_read())?;
        let set = agent.jobs().in_force();
        let gap = set.planned().map(|in_force| {
            let job_id = in_force.job.job_id.clone();
            let due = agent.schedules().due(&job_id, until, &Named::new());
            let runs = due.iter().filter(|due| due.verdict == Verdict::Fire).count();
            GapOfJob {
                job_id,
                occurrences: due.len(),
                rerun_runs: runs,
                rerun_misses: due.len() - runs,
            }
        });
        Some(gap.collect())
    }
}
