//! Learning what is to be planned: the lists of groups, the change feed, and both again after a
//! fault (F4, F7, F8).

use std::time::Duration;

use cohort_preferences::Enroll;
use futures_util::StreamExt;

use super::{DynamicBatchScheduler, PAUSE_AFTER_FAULT, ScheduleError};
use crate::jobs::JobInForce;
use crate::schedules::{DefaultsInTime, Listed};
use crate::source::SourceError;
use crate::spread::spread;

/// Over which span the agents of a deployment read everything anew once their cursors are gone, as
/// when the Config Database was restored.
const READ_ANEW_OVER: Duration = Duration::from_secs(4);

/// Over which span they ask again for a feed that cannot be read.
const ASK_AGAIN_OVER: Duration = Duration::from_secs(1);

impl DynamicBatchScheduler {
    /// Reads everything anew, and then follows the feed from where its end was before. Until all is
    /// read, the cursor stays lost, so that what fails here is done again (F7). No job holds up
    /// another. A job whose list was read, but is not completed by its defaults or not trusted,
    /// does not keep the cursor lost.
    pub(super) async fn resynchronize(&self) -> Result<(), ScheduleError> {
        self.feed.lose_cursor();
        let start = self.source.changes("now", Duration::ZERO).await?;
        let (mut read, mut completed) = (Ok(()), Ok(()));
        for job in self.jobs.in_force().planned() {
            match self.load(job).await {
                Err(
                    error
                    @ (ScheduleError::Unresolved { .. } | ScheduleError::SuddenlyEmpty { .. }),
                ) => {
                    completed = completed.and(Err(error));
                }
                loaded => read = read.and(loaded),
            }
        }
        read?;
        self.feed.start_at(start.next, start.complete_until);
        completed
    }

    pub(super) async fn load(&self, in_force: &JobInForce) -> Result<(), ScheduleError> {
        let job = &in_force.job;
        let watermark = self.ledger.ensure_job(&job.job_id, self.clock.now()).await?;
        if let Some(schedule) = &job.schedule {
            self.schedules.replace_static(in_force, watermark, schedule.group());
            self.feed.tell();
            return Ok(());
        }
        let of_job = self.defaults_of(in_force).await?;
        let zones = match job.enroll {
            Enroll::Everyone => self.source.timezones().await?,
            Enroll::OptedIn => Vec::new(),
        };
        let list = self.source.groups(&job.feature_type).await?;
        // Another version may have come into force while the groups were read.
        let now = self.jobs.in_force();
        if now.find_planned(&job.job_id).is_none_or(|now| now.version() != in_force.version()) {
            return Ok(());
        }
        self.believe(&job.job_id, &list, &zones).await?;
        let (position, complete_until) = (list.position.clone(), list.complete_until);
        let defaults = DefaultsInTime::of(&of_job, &list.defaults);
        let listed = Listed { defaults, list, zones: &zones };
        let loaded = self.schedules.replace(in_force, watermark, listed);
        loaded
            .map_err(|source| ScheduleError::Unresolved { job_id: job.job_id.clone(), source })?;
        self.feed.rewind_to(&position, complete_until);
        self.feed.tell();
        Ok(())
    }

    /// Follows the feed for ever. After a lost cursor everything is read anew (F7); after any other
    /// fault there is a pause, which is as long as the poll interval if the key is refused.
    pub(super) async fn follow_forever(&self) {
        for turn in 0_u64.. {
            let mut fault = ScheduleError::Source(self.follow().await);
            if matches!(fault, ScheduleError::Source(SourceError::Gone)) {
                self.feed.lose_cursor();
                self.wait_for_turn(turn, READ_ANEW_OVER).await;
                match self.resynchronize().await {
                    Ok(()) => continue,
                    Err(error) => fault = error,
                }
            }
            self.feed.note_fault(&fault);
            self.wait_for_turn(turn, ASK_AGAIN_OVER).await;
            tokio::time::sleep(self.pause_after(&fault)).await;
        }
    }

    /// Waits for this agent's point in a span that it shares with the others of its ledger.
    async fn wait_for_turn(&self, turn: u64, span: Duration) {
        tokio::time::sleep(spread(&self.processor.sign().agent, turn, span)).await;
    }

    /// How long the feed is left alone. A refused key is said plainly each time: only an operator
    /// can mend it.
    pub(super) fn pause_after(&self, fault: &ScheduleError) -> Duration {
        let ScheduleError::Source(SourceError::Denied(_)) = fault else {
            return PAUSE_AFTER_FAULT.unsigned_abs();
        };
        let (error, again_in) = (fault as &dyn std::error::Error, self.poll_interval);
        tracing::error!(
            error,
            ?again_in,
            "the agent's key is refused: changes are not learnt of before it has another"
        );
        again_in
    }

    /// Follows the feed until it cannot go on, and says why.
    pub(super) async fn follow(&self) -> SourceError {
        let mut events = match self.feed.events() {
            Ok(events) => events,
            Err(error) => return error,
        };
        while let Some(event) = events.next().await {
            let learnt = match event {
                Ok(event) => self.feed.learn(event).await,
                Err(error) => Err(error),
            };
            if let Err(error) = learnt {
                return error;
            }
            self.reload_outdated().await;
        }
        SourceError::Unavailable("the feed has come to an end".into())
    }

    /// Reads everything anew at the poll interval, give or take a quarter: agents that were started
    /// together do not read together for good.
    pub(super) async fn refresh_forever(&self) {
        for turn in 0_u64.. {
            tokio::time::sleep(self.poll_interval.mul_f64(0.75)).await;
            self.wait_for_turn(turn, self.poll_interval.mul_f64(0.5)).await;
            self.reload_all().await;
        }
    }

    /// Reads the groups of all jobs anew; without an answer, those known go on (F4).
    pub(super) async fn reload_all(&self) {
        for job in self.jobs.in_force().planned() {
            if let Err(error) = self.load(job).await {
                tracing::warn!(error = &error as &dyn std::error::Error, job_id = %job.job.job_id,
                    "reading the groups anew failed; those known go on");
            }
        }
    }

    /// Reads the feed to its end; without an answer, the groups known go on (F4).
    pub(super) async fn learn_changes(&self) {
        if let Err(error) = self.feed.sync().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "planning with the groups known, without the latest changes"
            );
        }
    }

    /// Reads the groups anew of jobs whose defaults have changed (T12); without an answer it is
    /// tried again.
    pub(super) async fn reload_outdated(&self) {
        let outdated = self.schedules.outdated();
        for job in self.jobs.in_force().planned().filter(|job| outdated.contains(&job.job.job_id)) {
            if let Err(error) = self.load(job).await {
                tracing::warn!(error = &error as &dyn std::error::Error, job_id = %job.job.job_id,
                    "the defaults have changed, and the groups cannot be read anew yet");
            }
        }
    }
}
