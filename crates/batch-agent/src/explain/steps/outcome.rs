//! How the user's work ended.

use cohort_ledger::{LedgerError, OutcomeRecord, RepeatedWork, StatusName};
use jiff::Timestamp;
use serde::Serialize;

use super::Ending;
use crate::explain::answer::Answer;
use crate::explain::case::Case;
use crate::explain::step::{Step, StepName};
use crate::explain::timeline::StatedPreference;
use crate::explain::words::times;

/// An outcome as it is recorded.
#[derive(Serialize)]
struct Facts<'a> {
    status: StatusName,
    reason: Option<&'a str>,
    detail: Option<&'a str>,
    attempts: u32,
    key: &'a str,
    preference_version: Option<u64>,
    purpose_version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<&'a RepeatedWork>,
    stale: bool,
    finished_at: Timestamp,
}

/// How the user's work ended.
///
/// # Errors
/// [`LedgerError::Corrupt`] if the outcome's reason is not of the closed set (A2).
pub(crate) fn ending(case: &Case, outcome: &OutcomeRecord) -> Result<Ending, LedgerError> {
    let answer = Answer::of_outcome(outcome.status, outcome.reason.as_deref())?;
    let why = match outcome.status {
        StatusName::Succeeded => {
            format!("succeeded at attempt {}{}", outcome.attempts, with_version(outcome))
        }
        StatusName::Failed => failed(outcome),
        StatusName::Skipped | StatusName::Requeued => skipped(case, answer, outcome),
    };
    let facts = Facts {
        status: outcome.status,
        reason: outcome.reason.as_deref(),
        detail: outcome.detail.as_deref(),
        attempts: outcome.attempts,
        key: &outcome.key,
        preference_version: outcome.preference_version,
        purpose_version: outcome.purpose_version,
        repeats: outcome.repeats.as_ref(),
        stale: outcome.stale,
        finished_at: outcome.finished_at,
    };
    Ok(Step::new(StepName::Outcome, why, facts).ends_in(answer))
}

fn failed(outcome: &OutcomeRecord) -> String {
    let reason = outcome.reason.as_deref().unwrap_or_default();
    let detail = outcome.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
    let (attempts, version) = (times(outcome.attempts), with_version(outcome));
    format!("{reason}{detail}, attempted {attempts}{version}")
}

fn with_version(outcome: &OutcomeRecord) -> String {
    let of_preference = outcome
        .preference_version
        .map_or_else(String::new, |version| format!(", with version {version} of the preference"));
    let of_purpose = outcome
        .purpose_version
        .map_or_else(String::new, |version| format!(", made by version {version} of its purpose"));
    of_preference + &of_purpose
}

/// Why a member was skipped. What the user stated since the instant is told with its version (M2).
fn skipped(case: &Case, answer: Answer, outcome: &OutcomeRecord) -> String {
    let since = stated_since(case, outcome.finished_at);
    match answer {
        Answer::Disabled => format!("switched off{since}"),
        Answer::Deleted => format!("the preference was deleted{since}"),
        Answer::Snoozed => format!("snoozed{since}"),
        Answer::SkippedByUser => format!("the user asked to skip it{since}"),
        Answer::AlreadyRan => "the job had run the user in the same period already".into(),
        Answer::Overlap => "an earlier run of the user was still open, and another waited".into(),
        Answer::Canceled => "an operator canceled the run".into(),
        Answer::Expired => "the job's deadline had passed before it could begin".into(),
        other => other.as_str().replace('_', " "),
    }
}

/// Since when the preference of an instant was stated, and in which version.
fn stated_since(case: &Case, instant: Timestamp) -> String {
    match &case.user.timeline.at(instant).stated {
        StatedPreference::Stated { version, since, .. }
        | StatedPreference::Deleted { version, since } => {
            format!(" on {} (version {version})", case.time(*since))
        }
        _ => String::new(),
    }
}
