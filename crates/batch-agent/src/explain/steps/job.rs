//! The job in force at the instant.

use cohort_preferences::JobId;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{Ending, Told};
use crate::explain::answer::Answer;
use crate::explain::case::Case;
use crate::explain::step::{Step, StepName};
use crate::jobs::JobVersion;

/// A version of the job.
#[derive(Serialize)]
struct Facts<'a> {
    /// Null for a job that is part of the agent's program.
    version: Option<u32>,
    /// Null for a job that is part of the agent's program.
    applied_at: Option<Timestamp>,
    applied_by: &'a str,
    paused: bool,
}

/// There is no such job.
pub(crate) fn unknown(job_id: &JobId) -> Ending {
    let why = format!("there is no job {job_id}");
    Step::new(StepName::Job, why, json!({"job_id": job_id})).ends_in(Answer::UnknownJob)
}

/// Whether the job was in force at the instant, and in which version.
pub(crate) fn step(case: &Case) -> Told {
    let Some(version) = case.job.version_at(case.at()) else {
        return not_yet_applied(case).into();
    };
    if version.job.is_none() {
        return removed(case, version).into();
    }
    // A job that comes back after it was removed begins anew, although an earlier version was in
    // force at the instant.
    let began = case.job.standing.map(|standing| standing.began);
    if let Some(began) = began.filter(|began| case.at() < *began) {
        return not_yet_begun(case, began).into();
    }
    in_force(case, version).into()
}

fn not_yet_applied(case: &Case) -> Ending {
    let first = case.job.versions[0].applied_at;
    let why = format!("the job {} was applied only on {}", case.job_id, case.time(first));
    let facts = json!({"applied_at": first});
    Step::new(StepName::Job, why, facts).ends_in(Answer::JobNotYetApplied)
}

fn removed(case: &Case, version: &JobVersion) -> Ending {
    let (job_id, on, by) = (case.job_id, case.time(version.applied_at), &version.applied_by);
    let why = format!("the job {job_id} was removed on {on} by {by}");
    Step::new(StepName::Job, why, facts(case, version)).ends_in(Answer::JobRemoved)
}

fn not_yet_begun(case: &Case, began: Timestamp) -> Ending {
    let (job_id, on) = (case.job_id, case.time(began));
    let why = format!("the job {job_id} plans nothing from before {on}, when it was applied");
    Step::new(StepName::Job, why, json!({"began": began})).ends_in(Answer::JobNotYetApplied)
}

fn in_force(case: &Case, version: &JobVersion) -> Step {
    let paused = if case.is_paused() { "; it was paused then" } else { "" };
    let text = match version.version {
        Some(number) => {
            let (on, by) = (case.time(version.applied_at), &version.applied_by);
            format!("version {number}, applied on {on} by {by}{paused}")
        }
        None => format!("it is part of the agent's program{paused}"),
    };
    Step::new(StepName::Job, text, facts(case, version))
}

fn facts<'a>(case: &Case, version: &'a JobVersion) -> Facts<'a> {
    Facts {
        version: version.version,
        // A job that is part of the program was there from the beginning of time.
        applied_at: (version.applied_at > Timestamp::MIN).then_some(version.applied_at),
        applied_by: &version.applied_by,
        paused: case.is_paused(),
    }
}
