//! Whether a failed attempt uses up one of the user's retries. Pure decisions (D4, D12).
//!
//! ```text
//! the call failed as a whole ─► something of the purpose succeeded after it? ────────► counts
//!                            ─► most calls beside it succeeded? ─────────────────────► counts
//!                            ─► this user failed before where others succeeded,
//!                               and nobody else fails? ──────────────────────────────► counts
//!                            ─► nothing has succeeded for `max_outage`? ─────────────► counts
//!                            ─► else the handler is away, as far as can be told: it does not
//! ```
//!
//! An attempt is judged when it has failed and, if it did not count then, once more before the
//! next. What failed within an outage that was noticed never counts.

use cohort_ledger::{FailedCall, Outage};
use jiff::{SignedDuration, Timestamp};

/// How calls ended within one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Second {
    pub(super) at: i64,
    pub(super) ended: u64,
    pub(super) faulted: u64,
}

/// What is known of a purpose when an attempt is judged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Evidence {
    pub(super) now: Timestamp,
    pub(super) is_failing: bool,
    pub(super) last_success: Option<Timestamp>,
    /// The first failure since then of a user who had not failed before while others succeeded.
    pub(super) first_failure: Option<Timestamp>,
    pub(super) last_outage: Option<Outage>,
    /// How calls of this agent ended lately.
    pub(super) seconds: Vec<Second>,
    pub(super) max_outage: SignedDuration,
}

/// Calls that ended so long before a call began stand beside it.
const BESIDE: i64 = 30;

impl Evidence {
    /// Whether the attempt counts, of a user of whom so many have counted in this turn.
    pub(crate) fn counts(&self, failed: &FailedCall, counted_before: u32) -> bool {
        if self.last_outage.is_some_and(|outage| within(outage, failed.at)) {
            return false;
        }
        if self.last_success.is_some_and(|success| success >= failed.at) {
            return true;
        }
        if self.is_over(failed) {
            return true;
        }
        if self.is_failing {
            return false;
        }
        self.most_succeeded_beside(failed) || counted_before > 0 && self.first_failure.is_none()
    }

    /// Whether the purpose is failing.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing
    }

    /// Whether nothing has succeeded for as long as an outage may last.
    fn is_over(&self, failed: &FailedCall) -> bool {
        let from = self.first_failure.map_or(failed.at, |first| first.min(failed.at));
        self.now.duration_since(from) >= self.max_outage
    }

    fn most_succeeded_beside(&self, failed: &FailedCall) -> bool {
        let from = failed.began.as_second() - BESIDE;
        let beside = self.seconds.iter().filter(|second| second.at >= from);
        let (ended, faulted) = beside.fold((0, 0), |(ended, faulted), second| {
            (ended + second.ended, faulted + second.faulted)
        });
        faulted * 2 < ended
    }
}

fn within(outage: Outage, instant: Timestamp) -> bool {
    outage.from <= instant && instant <= outage.until
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).expect("an instant")
    }

    fn failed(second: i64) -> FailedCall {
        FailedCall { began: at(second - 1), at: at(second), error: "answered 503".into() }
    }

    fn evidence(second: i64) -> Evidence {
        Evidence {
            now: at(second),
            is_failing: false,
            last_success: None,
            first_failure: Some(at(0)),
            last_outage: None,
            seconds: Vec::new(),
            max_outage: SignedDuration::from_hours(24),
        }
    }

    #[test]
    fn a_failure_counts_once_something_has_succeeded_after_it() {
        let known = |second| Evidence { last_success: Some(at(second)), ..evidence(10) };
        assert!(known(6).counts(&failed(5), 0));
        assert!(!known(4).counts(&failed(5), 0));
    }

    #[test]
    fn while_nothing_succeeds_none_counts_until_the_longest_outage_is_over() {
        let day = 24 * 60 * 60;
        for is_failing in [false, true] {
            let known = |second| Evidence { is_failing, ..evidence(second) };
            assert!(!known(day - 1).counts(&failed(day - 2), 3));
            assert!(known(day).counts(&failed(day - 1), 0));
        }
    }

    #[test]
    fn who_failed_where_others_succeeded_ends_also_if_nobody_else_is_called_any_more() {
        let alone = Evidence { first_failure: None, ..evidence(10) };
        assert!(alone.counts(&failed(9), 1));
        assert!(!alone.counts(&failed(9), 0), "whose first failure it is may be the handler's");
        assert!(!evidence(10).counts(&failed(9), 1), "others fail too");
    }

    #[test]
    fn one_of_many_that_end_at_once_counts_and_half_of_them_do_not() {
        let beside = |ended, faulted| {
            let second = Second { at: at(8).as_second(), ended, faulted };
            Evidence { seconds: vec![second], ..evidence(10) }
        };
        assert!(beside(25, 1).counts(&failed(9), 0));
        assert!(!beside(25, 20).counts(&failed(9), 0));
        assert!(!beside(1, 1).counts(&failed(9), 0));
    }

    #[test]
    fn what_failed_in_an_outage_never_counts() {
        let over = Evidence {
            last_outage: Some(Outage { from: at(0), until: at(20) }),
            last_success: Some(at(25)),
            ..evidence(30)
        };
        assert!(!over.counts(&failed(10), 3));
        assert!(over.counts(&failed(22), 0));
    }
}
