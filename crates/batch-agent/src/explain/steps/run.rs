//! The run of the occurrence.

use cohort_ledger::{FiringName, Run, RunId, RunState, UnprocessedReason};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::Ending;
use crate::explain::answer::Answer;
use crate::explain::case::Case;
use crate::explain::step::{Step, StepName};

/// A run that is on record.
#[derive(Serialize)]
struct Facts {
    run_id: RunId,
    nominal: FiringName,
    job_version: Option<u32>,
    opened_at: Timestamp,
    state: RunState,
    reason: Option<UnprocessedReason>,
    members: u64,
    canceled_at: Option<Timestamp>,
}

/// A run that is on record, whether the user is in it or not.
pub(crate) fn step(case: &Case, run: &Run) -> Step {
    let state = json!(run.state);
    let (id, nominal, opened) = (run.id, run.occurrence.nominal, case.time(run.opened_at));
    let state = state.as_str().unwrap_or_default();
    let text = format!("run {id} of {nominal}, opened on {opened}: {state}");
    let facts = Facts {
        run_id: run.id,
        nominal: run.occurrence.nominal,
        job_version: run.job_version,
        opened_at: run.opened_at,
        state: run.state,
        reason: run.reason,
        members: run.counts.members,
        canceled_at: run.canceled_at,
    };
    Step::new(StepName::Run, text, facts)
}

/// There is no run, and none could be on record any more; `None` if one should be.
pub(crate) fn forgotten(case: &Case) -> Option<Ending> {
    let kept_since = case.user.kept_since.filter(|kept_since| case.at() < *kept_since)?;
    let why = format!("runs from before {} are not kept any more", case.time(kept_since));
    let step = Step::new(StepName::Run, why, json!({"kept_since": kept_since}));
    Some(step.ends_in(Answer::BeforeRetention))
}
