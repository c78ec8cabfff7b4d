//! How many members a run has that get no outcome of their own, because it was missed or its job
//! was paused (A1).
//!
//! ```text
//! asked as of the run's instant ─► the number
//!        │ no answer
//!        ▼
//! the group's size as last known ─► that number, so that an outage holds up nobody (F4)
//!        │ nobody, as far as is known
//!        ▼
//! the run stays open with its reason, and is counted once the Config Database answers
//! ```
//!
//! That nobody is in a group now says nothing of an instant in the past, so "nobody" is only
//! believed from an answer.

use cohort_preferences::Job;

use super::{Inner, ProcessError};
use crate::members::{self, GroupAt};
use crate::schedules::GroupSources;
use cohort_ledger::{Run, UnprocessedReason};

impl Inner {
    /// The size of a group as of an instant, or as last known if the Config Database cannot be
    /// asked (F4); `None` if nobody is known of then.
    pub(super) async fn count_members(&self, asked: GroupAt<'_>) -> Option<u64> {
        let known = || {
            Some(self.schedules.members(&asked.job.job_id, asked.group))
                .filter(|members| *members > 0)
        };
        self.count_as_of(asked).await.or_else(known)
    }

    /// The size of a group as of an instant; `None` if it cannot be asked now, or the answer could
    /// not be believed (M8).
    async fn count_as_of(&self, asked: GroupAt<'_>) -> Option<u64> {
        if self.schedules.is_doubted(&asked.job.job_id) {
            return None;
        }
        let counted = members::count_members(&*self.source, asked).await;
        let counted = counted.inspect_err(|error| {
            tracing::warn!(error = error as &dyn std::error::Error, group = %asked.group,
                "members without outcomes cannot be counted now");
        });
        counted.ok()
    }

    /// How many members of a run were never read, as far as is known.
    pub(super) async fn unread_members(&self, run: &Run, job: &Job) -> Option<u64> {
        let sources = self.sources_opened_with(run);
        let members = self
            .count_members(GroupAt {
                job,
                group: &run.group,
                sources: &sources,
                instant: run.occurrence.at,
            })
            .await?;
        Some(members.saturating_sub(run.counts.members))
    }

    /// Counts the members of a run that is not processed any more, and closes it; without an answer
    /// it waits.
    pub(super) async fn count_unprocessed(
        &self,
        run: &Run,
        job: &Job,
        reason: UnprocessedReason,
    ) -> Result<(), ProcessError> {
        let sources = self.sources_opened_with(run);
        match self
            .count_as_of(GroupAt {
                job,
                group: &run.group,
                sources: &sources,
                instant: run.occurrence.at,
            })
            .await
        {
            Some(members) => {
                let unread = members.saturating_sub(run.counts.members);
                self.ledger.give_up_reading(run.id, reason, Some(unread), self.clock.now()).await?;
            }
            None => self.postpone_reading(run).await?,
        }
        Ok(())
    }

    fn sources_opened_with(&self, run: &Run) -> GroupSources {
        let known =
            self.schedules.sources(&run.job_id, &run.group, run.occurrence.at).unwrap_or_default();
        GroupSources { stated: run.stated.clone(), enrolled: known.enrolled }
    }
}
