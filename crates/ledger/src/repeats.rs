//! What a run has to know of the other runs of its job: who has run already in the same period
//! (M6), and who is still open in an earlier one (F10).

use crate::OpenMember;

/// Which other runs of a job there are beside one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherRuns {
    /// Whether a run of an earlier instant is open, in which users may be open too (F10).
    pub is_earlier_open: bool,
    /// Whether a run of another group has members in the period (M6).
    pub is_in_period: bool,
}

/// In how many runs of a job a user is open (F10).
#[derive(Debug, Default)]
pub(crate) struct OpenRuns {
    /// Runs in which the user is due as part of the occurrence.
    due: usize,
    /// Whether the user was requeued in a run, or is in a rerun.
    by_operator: bool,
}

impl OpenRuns {
    pub(crate) fn add(&mut self, member: &OpenMember) {
        if member.requeued.is_some() || member.repeats.is_some() {
            self.by_operator = true;
        } else {
            self.due += 1;
        }
    }

    /// The number that decides whether another run waits for the user or skips the user. A requeue
    /// or a rerun makes it wait; but these alone make it skip nobody, however many there are, since
    /// an operator may have done again what failed in many runs.
    pub(crate) fn counted(&self) -> usize {
        self.due.max(usize::from(self.by_operator))
    }
}
