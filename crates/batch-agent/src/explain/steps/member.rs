//! The user as a member of the run.

use cohort_ledger::{Run, RunState};
use serde_json::json;

use super::Ending;
use super::chunk::held_by_purpose;
use crate::explain::answer::Answer;
use crate::explain::case::Case;
use crate::explain::step::{Step, StepName};

/// The run has the user.
pub(crate) fn present() -> Step {
    let text = "the user is a member of the run as of its instant";
    Step::new(StepName::Member, text, json!({"member": true}))
}

/// The run is there, and the user is not in it. While a purpose holds its work, the rest of a run
/// is not read (D12).
pub(crate) fn absent(case: &Case, run: &Run) -> Ending {
    let is_unread = run.reason.is_none() && run.state == RunState::Reading;
    let held = held_by_purpose(case, case.now, "the run's members are read when it is called");
    if let Some((answer, why)) = held.filter(|_held| is_unread) {
        return Step::new(StepName::Member, why, json!({"member": false})).ends_in(answer);
    }
    let (answer, why) = match (run.reason, run.state, run.read_faults) {
        (Some(reason), ..) => {
            let answer = Answer::of_unprocessed(reason);
            (answer, unprocessed(answer).to_owned())
        }
        (None, RunState::Reading, 0) => {
            (Answer::WaitingForMembers, "the run's members are still being read".to_owned())
        }
        (None, RunState::Reading, faults) => {
            let why =
                format!("the run's members could not be read so far, {faults} times in a row");
            (Answer::WaitingForMembers, why)
        }
        (None, RunState::Processing | RunState::Closed, _) => {
            let why =
                format!("run {} has all its members, and the user is not one of them", run.id);
            (Answer::Unaccounted, why)
        }
    };
    Step::new(StepName::Member, why, json!({"member": false})).ends_in(answer)
}

/// Why the members of a run have no outcomes of their own.
fn unprocessed(answer: Answer) -> &'static str {
    match answer {
        Answer::JobPaused => "the job was paused",
        Answer::Canceled => "an operator canceled the run",
        Answer::Downtime => "nothing ran when it was due, and afterwards it was too late",
        Answer::MisfireSkip => "nothing ran when it was due, and the job skips what it missed",
        Answer::MisfireLimit => {
            "nothing ran when it was due, and too much was missed to catch up on all"
        }
        Answer::MembersUnreadable => "the members could not be read within the catch-up window",
        other => other.as_str(),
    }
}
