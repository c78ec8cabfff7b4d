//! Opening the runs of what is due: one transaction a job, with its watermark (F1, F3).

use cohort_ledger::{NewRun, Plan, Watermark};
use cohort_preferences::JobId;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{DynamicBatchScheduler, PAUSE_AFTER_FAULT, ScheduleError};
use crate::clock::saturating_add;
use crate::condition::Part;
use crate::jobs::JobInForce;
use crate::members::GroupAt;
use crate::schedules::{Due, Named, Verdict};

/// The longest wait without looking at the clock and the schedules (F2).
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(60);

impl DynamicBatchScheduler {
    pub(super) async fn plan_forever(&self) {
        loop {
            let planned = self.plan_due().await;
            self.condition.note(Part::Planning, &planned);
            let wake_at = match planned {
                Ok(()) => self.next_to_plan().unwrap_or(Timestamp::MAX),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "planning failed; it is tried again"
                    );
                    saturating_add(self.clock.now(), PAUSE_AFTER_FAULT)
                }
            };
            let wake_at = wake_at.min(saturating_add(self.clock.now(), LONGEST_WAIT));
            tokio::select! {
                biased;
                () = self.clock.sleep_until(wake_at) => {}
                () = self.feed.changed() => {}
                () = self.reloaded.notified() => {}
            }
        }
    }

    /// Opens the runs of everything that is due now.
    pub(super) async fn plan_due(&self) -> Result<(), ScheduleError> {
        let _turn = self.planning.lock().await;
        self.plan_up_to(self.clock.now()).await
    }

    /// Opens the runs of everything that is due up to `now`, by whoever holds `planning`.
    pub(super) async fn plan_up_to(&self, now: Timestamp) -> Result<(), ScheduleError> {
        if self.recovery.is_held()
            || !self.plans()
            || self.schedules.next_due().is_none_or(|due| due > now)
        {
            return Ok(());
        }
        // A group that came to be just now is planned with the rest.
        self.learn_changes().await;
        self.reload_outdated().await;
        // One job that cannot be planned does not hold up the others; it stays due.
        let mut planned = Ok(());
        for job in self.jobs.in_force().planned() {
            planned = planned.and(self.plan_job(job, now).await);
        }
        planned
    }

    pub(super) async fn plan_job(
        &self,
        in_force: &JobInForce,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        let job_id = &in_force.job.job_id;
        let replanned_from = self.schedules.replanned_from(job_id);
        let named = self.named_since(job_id, replanned_from).await?;
        let due = self.schedules.due(job_id, now, &named);
        if !due.is_empty() {
            let mut runs = Vec::with_capacity(due.len());
            let missed_until = self.recovery.missed_until();
            for due in due {
                let due = due.given_up(missed_until);
                runs.extend(self.new_run(in_force, due).await);
            }
            let trusted_until = self.schedules.trusted_until(job_id);
            let known_until = self.feed.known_until().min(trusted_until).min(now);
            let watermark =
                Watermark { planned_until: now, known_until, replan_from: replanned_from };
            let tzdb = Some(self.processor.sign().tzdb);
            self.processor.process_occurrences(job_id, Plan { watermark, runs, tzdb }).await?;
        }
        self.schedules.advance(job_id, now);
        Ok(())
    }

    /// The occurrences that have runs from an instant on, if a job is planned anew from there
    /// (T11). Their dates may lie a day before that instant.
    pub(super) async fn named_since(
        &self,
        job_id: &JobId,
        replanned_from: Option<Timestamp>,
    ) -> Result<Named, ScheduleError> {
        let Some(from) = replanned_from else { return Ok(Named::new()) };
        let date =
            TimeZone::UTC.to_datetime(saturating_add(from, SignedDuration::from_hours(-24))).date();
        Ok(self.ledger.named_since(job_id, date).await?)
    }

    /// The run of a due occurrence; `None` if the occurrence is not processed and had no members
    /// (A1).
    pub(super) async fn new_run(&self, in_force: &JobInForce, due: Due) -> Option<NewRun> {
        let Due { group, sources, occurrence, verdict } = due;
        let job = &*in_force.job;
        let unprocessed = match verdict {
            Verdict::Fire => None,
            Verdict::Skip(reason) => {
                let asked =
                    GroupAt { job, group: &group, sources: &sources, instant: occurrence.at };
                match self.processor.count_members(asked).await {
                    Some(0) => return None,
                    members => Some((reason, members)),
                }
            }
        };
        let (feature_type, job_version, priority) =
            (job.feature_type.clone(), in_force.version(), job.priority);
        Some(NewRun {
            job_version,
            feature_type,
            group,
            stated: sources.stated,
            occurrence: occurrence.into(),
            priority,
            unprocessed,
        })
    }
}
