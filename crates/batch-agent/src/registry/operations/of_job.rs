//! Operations on one job: pause, resume, trigger.

use cohort_ledger::{Definition, DefinitionKind, Firing, Pause, RunId};
use cohort_preferences::JobId;
use serde::Serialize;

use super::choice::JobChoice;
use crate::processor::Trigger;
use crate::registry::{JobRegistry, RegistryError};

/// A manual run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Triggered {
    /// Its name, and the instant whose members it has.
    #[serde(flatten)]
    pub firing: Firing,
    /// Its runs, one a group.
    pub runs: Vec<RunId>,
}

/// What a trigger would run, as far as it is known now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TriggerPreview {
    /// Groups, each of which is a run.
    pub groups: usize,
    /// Users.
    pub users: u64,
}

impl JobRegistry {
    /// Stops a job from planning, from now on.
    ///
    /// # Errors
    /// [`RegistryError::AlreadySo`] if it is paused.
    pub async fn pause(&self, job: &JobId) -> Result<(), RegistryError> {
        self.refuse_operations()?;
        self.find_job(job).await?;
        let planned = self.ledger.pause_job(job, self.clock.now()).await?;
        self.await_reload().await?;
        refuse_unless(planned, job, "is paused already")
    }

    /// Lets a paused job plan again, from now on (F1).
    ///
    /// # Errors
    /// [`RegistryError::AlreadySo`] if it is not paused.
    pub async fn resume(&self, job: &JobId) -> Result<(), RegistryError> {
        self.refuse_operations()?;
        self.find_job(job).await?;
        let was_paused = self.ledger.resume_job(job, self.clock.now()).await?;
        self.await_reload().await?;
        refuse_unless(was_paused, job, "is not paused")
    }

    /// Stops all these jobs from planning. Returns those that planned before.
    ///
    /// # Errors
    /// [`RegistryError::NothingToDo`] if none did.
    pub async fn pause_jobs(&self, choice: &JobChoice) -> Result<Vec<JobId>, RegistryError> {
        self.refuse_operations()?;
        let mut changed = Vec::new();
        for job in self.jobs_of(choice).await? {
            if self.ledger.pause_job(&job, self.clock.now()).await? {
                changed.push(job);
            }
        }
        self.await_reload().await?;
        some_changed(changed, "every job of it is paused already")
    }

    /// Lets all these jobs plan again. Returns those that were paused.
    ///
    /// # Errors
    /// [`RegistryError::NothingToDo`] if none was.
    pub async fn resume_jobs(&self, choice: &JobChoice) -> Result<Vec<JobId>, RegistryError> {
        self.refuse_operations()?;
        let mut changed = Vec::new();
        for job in self.jobs_of(choice).await? {
            if self.ledger.resume_job(&job, self.clock.now()).await? {
                changed.push(job);
            }
        }
        self.await_reload().await?;
        some_changed(changed, "no job of it is paused")
    }

    /// Returns which of these jobs plan: those that a pause would stop.
    ///
    /// # Errors
    /// [`RegistryError::NothingToDo`] if none does.
    pub async fn planning_jobs(&self, choice: &JobChoice) -> Result<Vec<JobId>, RegistryError> {
        let (_paused, planning) = self.by_pause(choice).await?;
        some_changed(planning, "every job of it is paused already")
    }

    /// Returns which of these jobs are paused: those that would plan again.
    ///
    /// # Errors
    /// [`RegistryError::NothingToDo`] if none is.
    pub async fn paused_jobs(&self, choice: &JobChoice) -> Result<Vec<JobId>, RegistryError> {
        let (paused, _planning) = self.by_pause(choice).await?;
        some_changed(paused, "no job of it is paused")
    }

    /// The jobs that are paused, and the others.
    async fn by_pause(
        &self,
        choice: &JobChoice,
    ) -> Result<(Vec<JobId>, Vec<JobId>), RegistryError> {
        let pauses = self.ledger.definitions().await?.pauses;
        let jobs = self.jobs_of(choice).await?.into_iter();
        Ok(jobs.partition(|job| pauses.get(job).is_some_and(Pause::lasts)))
    }

    /// Runs everybody whom a job serves, now. Returns the name of the trigger, and its runs: one a
    /// group.
    ///
    /// # Errors
    /// [`RegistryError::NoAgent`] if no agent of this process knows the job's groups;
    /// [`RegistryError::NobodyToRun`] if nobody is in them.
    pub async fn trigger(&self, job: &JobId) -> Result<Triggered, RegistryError> {
        self.refuse_operations()?;
        self.find_job(job).await?;
        self.refuse_while_held()?;
        let agent = self.agent.as_ref().ok_or(RegistryError::NoAgent)?;
        match agent.trigger(job).await? {
            Trigger::Opened(firing, runs) => Ok(Triggered { firing, runs }),
            Trigger::Nobody(why) => Err(RegistryError::NobodyToRun { job: job.clone(), why }),
            Trigger::NotPlanned => Err(RegistryError::NotInForce(job.clone())),
        }
    }

    /// Returns what a trigger would run.
    ///
    /// # Errors
    /// [`RegistryError::NoAgent`] if no agent of this process knows the job's groups.
    pub async fn preview_trigger(&self, job: &JobId) -> Result<TriggerPreview, RegistryError> {
        self.find_job(job).await?;
        let groups = self.schedules(Some(job), None, usize::MAX)?;
        let users = groups.iter().map(|group| group.members).sum();
        Ok(TriggerPreview { groups: groups.len(), users })
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

/// The jobs that were changed; an operation that changed none is not done (F12).
fn some_changed(changed: Vec<JobId>, state: &str) -> Result<Vec<JobId>, RegistryError> {
    if changed.is_empty() { Err(RegistryError::NothingToDo(state.into())) } else { Ok(changed) }
}

/// Refuses to call a request done that has changed nothing (F12).
fn refuse_unless(changed: bool, job: &JobId, state: &'static str) -> Result<(), RegistryError> {
    if changed { Ok(()) } else { Err(RegistryError::AlreadySo { job: job.clone(), state }) }
}
