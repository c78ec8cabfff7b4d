//! One attempt of the user's work that failed.

use cohort_ledger::FailedAttempt;

use crate::explain::case::Case;
use crate::explain::step::{Step, StepName};

/// When an attempt failed, and what the handler or the network said.
pub(crate) fn step(case: &Case, failure: &FailedAttempt) -> Step {
    let error = failure.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
    let (attempt, on) = (failure.attempt, case.time(failure.at));
    Step::new(StepName::Attempt, format!("attempt {attempt} failed on {on}{error}"), failure)
}
