//! Reloading what is applied while the agent runs: a changed job takes effect, a removed one is
//! planned no more, a pause holds, all without a restart and on every agent of the ledger.
//!
//! ```text
//! an operation of its own API ───┐
//! one of another agent's API ────┤ a newer revision is stored
//!        (once a second)         ▼
//!    plan what was due before it, by the jobs of before
//!      ─► swap the jobs ─► read the groups of those that changed
//! ```
//!
//! What may fail: this agent cannot serve a job or a purpose, perhaps because only a newer program
//! understands it; then it is left out and logged, and agents that can serve it plan it. The Config
//! Database; then the schedules of before go on (F4) and the groups are read a second later.

use std::time::Duration;

use cohort_ledger::{Definition, DefinitionKind, LedgerError, StoredDefinitions};
use cohort_preferences::{JobId, Preference};
use jiff::Timestamp;

use super::{DynamicBatchScheduler, ScheduleError};
use crate::jobs::{JobInForce, JobSet, read_job};

/// How often operations of other agents' APIs are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl DynamicBatchScheduler {
    /// Puts in force what is stored, at the start: what cannot be served then is an error.
    pub(super) async fn load_jobs(&self) -> Result<(), ScheduleError> {
        if !self.jobs.follow_stored() {
            return Ok(());
        }
        let stored = self.ledger.definitions().await?;
        let (set, unserved) = self.jobs.read(&stored).await?;
        if let Some(error) = unserved.into_iter().next() {
            return Err(error.into());
        }
        self.jobs.replace(set);
        self.jobs.note_revision(stored.revision);
        Ok(())
    }

    /// Reloads what is applied, from now on.
    pub(super) async fn reload_forever(&self) {
        loop {
            tokio::select! {
                biased;
                () = self.jobs.told_of_newer() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            match self.reload_newer().await {
                Ok(false) => {}
                Ok(true) => self.reloaded.notify_one(),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "what was applied is not in force yet; it is tried again"
                    );
                }
            }
        }
    }

    /// Reloads what is stored, if it is newer than what is in force. Returns whether it was.
    pub(super) async fn reload_newer(&self) -> Result<bool, ScheduleError> {
        if !self.jobs.follow_stored()
            || self.ledger.definition_revision().await? == self.jobs.revision()
        {
            return Ok(false);
        }
        let _turn = self.planning.lock().await;
        let stored = self.ledger.definitions().await?;
        self.plan_up_to(changed_at(&stored).min(self.clock.now())).await?;
        let (set, unserved) = self.jobs.read(&stored).await?;
        for error in unserved {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "left out: this agent cannot serve it"
            );
        }
        let set = self.jobs.replace(set);
        self.reschedule(&set).await?;
        self.jobs.note_revision(stored.revision);
        tracing::info!(
            revision = stored.revision,
            "jobs and purposes are in force as they were applied"
        );
        Ok(true)
    }

    /// Gives every job of the set its schedules; only those that changed are read. One that cannot
    /// be read does not hold up the others.
    async fn reschedule(&self, set: &JobSet) -> Result<(), ScheduleError> {
        let schedules = &self.schedules;
        schedules.retain(|job| set.find_planned(job).is_some());
        let mut read = Ok(());
        for job in set.planned() {
            if schedules.are_of(&job.job.job_id, job.version()) {
                schedules.pause(&job.job.job_id, job.pause());
                continue;
            }
            match self.load(job).await {
                // It is logged, and tried again whenever everything is read anew.
                Err(error @ ScheduleError::Unresolved { .. }) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a job that was applied cannot be scheduled"
                    );
                }
                loaded => read = read.and(loaded),
            }
        }
        read
    }

    /// The default preferences of a job over time, oldest first: those of each version from the
    /// instant that it was applied (T12).
    pub(super) async fn defaults_of(
        &self,
        job: &JobInForce,
    ) -> Result<Vec<(Timestamp, Preference)>, LedgerError> {
        let now = (job.applied_at(), job.job.default_preferences.clone());
        let Some(stored) = job.stored.as_ref().filter(|stored| stored.version > 1) else {
            return Ok(vec![now]);
        };
        let versions =
            self.ledger.definition_versions(DefinitionKind::Job, job.job.job_id.as_str()).await?;
        let before = versions.into_iter().filter(|version| version.version < stored.version);
        let before = before.filter_map(|version| {
            earlier_job(&job.job.job_id, &version)
                .map(|job| (version.applied_at, job.default_preferences))
        });
        Ok(before.chain([now]).collect())
    }
}

/// A version of a job that is not in force any more; `None` if it cannot be read, which costs no
/// more than catching up.
fn earlier_job(job_id: &JobId, version: &Definition) -> Option<cohort_preferences::Job> {
    let read = version.document.as_ref().map(read_job)?;
    read.inspect_err(|error| {
        tracing::warn!(%job_id, version = version.version, %error,
        "an earlier version cannot be read");
    })
    .ok()
}

/// When the latest operation on jobs and purposes was.
fn changed_at(stored: &StoredDefinitions) -> Timestamp {
    let applied = stored.latest.iter().map(|definition| definition.applied_at);
    let paused = stored.pauses.values().map(|pause| pause.until.unwrap_or(pause.from));
    applied.chain(paused).max().unwrap_or(Timestamp::MIN)
}
