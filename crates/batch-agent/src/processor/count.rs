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

use cohort_ledger::Run;
use cohort_preferences::Job;

use crate::members::{self, GroupAt};
use crate::schedules::GroupSources;
use crate::shared::Shared;

/// The size of a group as of an instant, or as last known if the Config Database cannot be asked
/// (F4); `None` if nobody is known of then.
pub(super) async fn count_members(shared: &Shared, asked: GroupAt<'_>) -> Option<u64> {
    let known = || {
        Some(shared.schedules.members(&asked.job.job_id, asked.group))
            .filter(|members| *members > 0)
    };
    count_as_of(shared, asked).await.or_else(known)
}

/// How many members of a run were never read, as far as is known; `None` if nobody is known of.
pub(super) async fn unread_members(shared: &Shared, run: &Run, job: &Job) -> Option<u64> {
    if run.occurrence.nominal.is_rerun() {
        return unread_of_rerun(shared, run).await;
    }
    let sources = sources_opened_with(shared, run);
    let members = count_members(shared, group_of(run, job, &sources)).await?;
    Some(members.saturating_sub(run.counts.members))
}

/// How many members of a run were never read, by the Config Database's own count; `None` if it
/// cannot be asked now, or its answer is not believed (M8).
pub(super) async fn unread_as_of(shared: &Shared, run: &Run, job: &Job) -> Option<u64> {
    if run.occurrence.nominal.is_rerun() {
        return unread_of_rerun(shared, run).await;
    }
    let sources = sources_opened_with(shared, run);
    let members = count_as_of(shared, group_of(run, job, &sources)).await?;
    Some(members.saturating_sub(run.counts.members))
}

/// How many users a rerun has not come to, by what is on record.
async fn unread_of_rerun(shared: &Shared, run: &Run) -> Option<u64> {
    let counted = shared.ledger.unread_of_rerun(run).await.inspect_err(|error| {
        tracing::warn!(error = error as &dyn std::error::Error, run = %run.id,
            "whom a rerun has not come to cannot be counted now");
    });
    counted.ok()
}

async fn count_as_of(shared: &Shared, asked: GroupAt<'_>) -> Option<u64> {
    if shared.schedules.is_distrusted(&asked.job.job_id) {
        return None;
    }
    let counted = members::count_members(&*shared.source, asked).await;
    let counted = counted.inspect_err(|error| {
        tracing::warn!(error = error as &dyn std::error::Error, group = %asked.group,
            "members without outcomes cannot be counted now");
    });
    counted.ok()
}

fn group_of<'a>(run: &'a Run, job: &'a Job, sources: &'a GroupSources) -> GroupAt<'a> {
    GroupAt { job, group: &run.group, sources, instant: run.occurrence.at }
}

/// What makes up the run's group: the stated groups it was opened with, and the zones known now.
fn sources_opened_with(shared: &Shared, run: &Run) -> GroupSources {
    let known = shared.schedules.sources(&run.job_id, &run.group, run.occurrence.at);
    let enrolled = known.unwrap_or_default().enrolled;
    GroupSources { stated: run.stated.clone(), enrolled }
}
