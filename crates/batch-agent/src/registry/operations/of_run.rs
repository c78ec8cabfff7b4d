//! Operations on one run: an operator cancels it.

use cohort_ledger::{LedgerError, Run, RunId};

use crate::registry::{JobRegistry, RegistryError};

impl JobRegistry {
    /// Cancels a run: its users who have not been called yet never are. Returns the run.
    ///
    /// # Errors
    /// [`RegistryError::AlreadyCanceled`] if it was canceled before.
    pub async fn cancel_run(&self, run: RunId) -> Result<Run, RegistryError> {
        self.refuse_operations()?;
        let before = self.ledger.run(run).await?.ok_or(LedgerError::NoSuchRun(run))?;
        if before.canceled_at.is_some() {
            return Err(RegistryError::AlreadyCanceled(run));
        }
        let canceled = self.ledger.cancel_run(run, self.clock.now()).await?;
        self.tell_agent().await?;
        Ok(canceled)
    }

    /// Lets the agent of this process go on with what was done.
    pub(super) async fn tell_agent(&self) -> Result<(), RegistryError> {
        if let Some(agent) = &self.agent {
            agent.take_over_operations().await?;
        }
        Ok(())
    }
}
