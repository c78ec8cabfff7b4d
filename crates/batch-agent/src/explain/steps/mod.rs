//! The steps of a trace, a file each: functions over values that tell what a step found.

pub(super) mod attempt;
pub(super) mod chunk;
pub(super) mod defaults;
pub(super) mod job;
pub(super) mod member;
pub(super) mod outcome;
pub(super) mod planning;
pub(super) mod preference;
pub(super) mod run;
pub(super) mod schedule;
pub(super) mod user;

use super::answer::Answer;
use super::step::Step;

/// What a step tells.
pub(super) enum Told {
    /// There is nothing to tell here.
    Nothing,
    /// So far the user's work is expected to be done.
    Step(Step),
    /// It is not, and this is why.
    Ending(Ending),
}

/// A step that decides.
pub(super) struct Ending {
    pub(super) answer: Answer,
    /// Its text says why.
    pub(super) step: Step,
}

impl Ending {
    /// The answer, and why.
    pub(super) fn in_words(self) -> (Answer, String) {
        (self.answer, self.step.text)
    }
}

impl Step {
    /// This step, as the one that decides.
    pub(super) fn ends_in(self, answer: Answer) -> Ending {
        Ending { answer, step: self }
    }
}

impl Told {
    /// The step, whether it decides or not; `None` if there is nothing to tell.
    pub(super) fn into_step(self) -> Option<Step> {
        match self {
            Self::Nothing => None,
            Self::Step(step) | Self::Ending(Ending { step, .. }) => Some(step),
        }
    }
}

impl From<Step> for Told {
    fn from(step: Step) -> Self {
        Self::Step(step)
    }
}

impl From<Ending> for Told {
    fn from(ending: Ending) -> Self {
        Self::Ending(ending)
    }
}
