//! A manual run: everybody whom a job serves, now, because an operator asked for it (D1).
//!
//! Each group of the job gets a run of its own. All have one name and one instant, and that instant
//! decides who is in which group (M1). A trigger is no occurrence: it moves no watermark, counts
//! for no date (M6), and fires whether the job is paused or not.

use cohort_ledger::{Firing, LedgerError, NewRun, Plan, RunId, Watermark};
use cohort_preferences::{Enroll, Job, JobId};

use super::EnhancedBatchProcessor;
use crate::jobs::JobInForce;

/// What came of a trigger.
pub(crate) enum Trigger {
    /// Its runs, under one name.
    Opened(Firing, Vec<RunId>),
    /// Nobody is to be run, for this reason.
    Nobody(&'static str),
    /// No such job is planned here.
    NotPlanned,
}

impl EnhancedBatchProcessor {
    /// Opens the runs of a trigger.
    pub(crate) async fn trigger(&self, job: &JobId) -> Result<Trigger, LedgerError> {
        let set = self.jobs().in_force();
        let Some(in_force) = set.find_planned(job) else { return Ok(Trigger::NotPlanned) };
        self.hear_of_changes().await;
        let firing = Firing::triggered(self.0.shared.clock.now());
        let runs = self.runs_of(in_force, firing);
        if runs.is_empty() {
            return Ok(Trigger::Nobody("it has no group: nobody has stated a preference for it"));
        }
        if self.has_only_empty_groups(&in_force.job) {
            return Ok(Trigger::Nobody("all of its groups are empty"));
        }
        let watermark = Watermark {
            replan_from: None,
            ..self.0.shared.ledger.ensure_job(job, firing.at).await?
        };
        let opened = self.process_occurrences(job, Plan { watermark, runs, tzdb: None }).await?;
        Ok(Trigger::Opened(firing, opened))
    }

    /// Whether each group of a job is known to have nobody. Who is enrolled or filtered is known by
    /// the runs only.
    fn has_only_empty_groups(&self, job: &Job) -> bool {
        let members = self.schedules().outlook(&job.job_id).map(|outlook| outlook.members);
        job.schedule.is_none() && job.enroll == Enroll::OptedIn && members == Some(0)
    }

    /// Hears of the latest changes; while they cannot be had, the groups known do.
    pub(crate) async fn hear_of_changes(&self) {
        if let Err(error) = self.feed().sync().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "triggered with the groups known, without the latest changes"
            );
        }
    }

    /// A run of each of the job's groups.
    pub(crate) fn runs_of(&self, in_force: &JobInForce, firing: Firing) -> Vec<NewRun> {
        let (job, schedules) = (&in_force.job, self.schedules());
        let groups = schedules
            .view()
            .into_iter()
            .filter(|view| view.job_id == job.job_id)
            .map(|view| view.group);
        let run = |group| NewRun {
            job_version: in_force.version(),
            feature_type: job.feature_type.clone(),
            // While the defaults are outdated nothing is known, and the reading of members waits
            // for them.
            stated: schedules.sources(&job.job_id, &group, firing.at).unwrap_or_default().stated,
            group,
            occurrence: firing,
            priority: job.priority,
            unprocessed: None,
        };
        groups.map(run).collect()
    }
}
