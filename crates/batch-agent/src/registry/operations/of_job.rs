//! Operations on one job: pause, resume, trigger.

use cohort_ledger::{Definition, DefinitionKind, Firing, RunId};
use cohort_preferences::JobId;
use serde::Serialize;

use crate::registry::{JobRegistry, RegistryError};

/// A manual run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Triggered {
    /// Its name, and the instant whose members it has.
    #[serde(flatten)]
    pub firing: Firing,
    /// Its runs, one a group; none if the job serves nobody.
    pub runs: Vec<RunId>,
}

impl JobRegistry {
    /// Stops a job from planning, from now on. Returns whether it planned before.
    pub async fn pause(&self, job: &JobId) -> Result<bool, RegistryError> {
        self.refuse_if_read_only()?;
        self.find_job(job).await?;
        let planned = self.ledger.pause_job(job, self.clock.now()).await?;
        self.await_reload().await?;
        Ok(planned)
    }

    /// Lets a paused job plan again, from now on (F1). Returns whether it was paused.
    pub async fn resume(&self, job: &JobId) -> Result<bool, RegistryError> {
        self.refuse_if_read_only()?;
        self.find_job(job).await?;
        let was_paused = self.ledger.resume_job(job, self.clock.now()).await?;
        self.await_reload().await?;
        Ok(was_paused)
    }

    /// Runs everybody whom a job serves, now. Returns the name of the trigger, and its runs: one a
    /// group.
    ///
    /// # Errors
    /// [`RegistryError::NoAgent`] if no agent of this process knows the job's groups.
    pub async fn trigger(&self, job: &JobId) -> Result<Triggered, RegistryError> {
        self.refuse_if_read_only()?;
        self.find_job(job).await?;
        let agent = self.agent.as_ref().ok_or(RegistryError::NoAgent)?;
        let triggered = agent.trigger(job).await?;
        let (firing, runs) = triggered.ok_or_else(|| RegistryError::NoSuchJob(job.clone()))?;
        Ok(Triggered { firing, runs })
    }

    /// Returns a stored job that was not removed.
    pub(super) async fn find_job(&self, job: &JobId) -> Result<Definition, RegistryError> {
        let stored = self.ledger.definitions().await?;
        let found = stored
            .find(DefinitionKind::Job, job.as_str())
            .filter(|definition| definition.document.is_some());
        found.cloned().ok_or_else(|| RegistryError::NoSuchJob(job.clone()))
    }
}
