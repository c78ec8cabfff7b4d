//! How many users may be tried again: a tenth of those who were called for the first time over the
//! last minute (D4). Pure decisions.
//!
//! Users are counted, as in D3: a call for a chunk counts as its users. However few first calls a
//! purpose has, 60 of its users a minute may be tried again, one a second. A call that begins
//! within the budget is made for all of its users; if that is too many, the next calls wait for it.
//! Users who find no room wait for a random time, which is longer if more others wait, so that they
//! do not all come back at once.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::backoff;
use crate::clock::saturating_add;

/// Users who may be tried again in a minute, however few were called for the first time.
const ALLOWANCE: u64 = 60;

/// First calls for each retry.
const FIRST_CALLS_A_RETRY: u64 = 10;

/// The seconds over which calls are counted.
const WINDOW: i64 = 60;

/// The longest wait before room is asked for again.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(5);

/// The calls of a purpose over the last minute.
#[derive(Debug, Default)]
pub(super) struct RetryBudget {
    /// In ascending order; seconds without calls are left out.
    seconds: VecDeque<Second>,
}

#[derive(Debug)]
struct Second {
    at: i64,
    first_calls: u64,
    retries: u64,
    refused: u64,
}

impl RetryBudget {
    /// Notes users who are called for the first time.
    pub(super) fn note_first_calls(&mut self, users: usize, now: Timestamp) {
        self.second(now).first_calls += users as u64;
    }

    /// Takes room for users who are called again, or says when to ask again. `seed` picks the point
    /// within the wait.
    pub(super) fn take(
        &mut self,
        users: usize,
        seed: u64,
        now: Timestamp,
    ) -> Result<(), Timestamp> {
        let room_from = self.room_from(now);
        if room_from <= now {
            self.second(now).retries += users as u64;
            return Ok(());
        }
        self.second(now).refused += users as u64;
        let (limit, refused) = (self.limit(), self.sum(|second| second.refused));
        let wait = SignedDuration::from_secs(WINDOW)
            .saturating_mul(i32::try_from(refused / limit).unwrap_or(i32::MAX));
        let wait = wait.clamp(SignedDuration::from_secs(1), LONGEST_WAIT);
        Err(saturating_add(room_from, backoff::point_within(wait, seed, now.as_second() as u64)))
    }

    /// When somebody may be called again, unless others are faster; now, if there is room.
    pub(super) fn room_from(&mut self, now: Timestamp) -> Timestamp {
        self.forget(now);
        let mut left: Vec<(u64, u64)> =
            self.seconds.iter().map(|second| (second.first_calls, second.retries)).collect();
        let mut forgotten = 0;
        loop {
            let (first_calls, retries) =
                left.iter().fold((0, 0), |sum, second| (sum.0 + second.0, sum.1 + second.1));
            if retries < limit(first_calls) {
                return match forgotten {
                    0 => now,
                    seconds => Timestamp::from_second(self.seconds[seconds - 1].at + WINDOW)
                        .unwrap_or(Timestamp::MAX),
                };
            }
            left.remove(0);
            forgotten += 1;
        }
    }

    fn limit(&self) -> u64 {
        limit(self.sum(|second| second.first_calls))
    }

    fn sum(&self, of: impl Fn(&Second) -> u64) -> u64 {
        self.seconds.iter().map(of).sum()
    }

    /// Forgets what is older than the window, and what lies ahead of a clock that was set back
    /// (F2).
    fn forget(&mut self, now: Timestamp) {
        let now = now.as_second();
        self.seconds.retain(|second| second.at > now - WINDOW && second.at <= now);
    }

    fn second(&mut self, now: Timestamp) -> &mut Second {
        self.forget(now);
        let second = now.as_second();
        if self.seconds.back().is_none_or(|last| last.at < second) {
            self.seconds.push_back(Second { at: second, first_calls: 0, retries: 0, refused: 0 });
        }
        self.seconds.back_mut().expect("one was just added if there was none")
    }
}

fn limit(first_calls: u64) -> u64 {
    ALLOWANCE.max(first_calls / FIRST_CALLS_A_RETRY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).expect("in range")
    }

    #[test]
    fn a_tenth_of_the_first_calls_of_the_last_minute_may_be_tried_again() {
        let mut budget = RetryBudget::default();
        budget.note_first_calls(1_000, at(0));
        let granted = (0..1_000).filter(|seed| budget.take(1, *seed, at(30)).is_ok()).count();
        assert_eq!(granted, 100);
        assert_eq!(
            budget.room_from(at(59)),
            at(90),
            "those of before are forgotten a minute later"
        );
    }

    #[test]
    fn a_purpose_with_few_calls_may_try_one_user_a_second_again() {
        let mut budget = RetryBudget::default();
        budget.note_first_calls(3, at(0));
        assert_eq!(budget.take(50, 1, at(1)), Ok(()));
        assert_eq!(
            budget.take(25, 2, at(1)),
            Ok(()),
            "what begins within the budget is made whole"
        );
        let refused = budget.take(1, 3, at(2)).expect_err("it is used up");
        assert!(refused >= at(61) && refused <= at(62), "{refused}");
        assert_eq!(budget.take(1, 3, at(61)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_leaves_no_debt_behind() {
        let mut budget = RetryBudget::default();
        assert_eq!(budget.take(100, 1, at(3_600)), Ok(()));
        assert_eq!(budget.take(1, 1, at(0)), Ok(()));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_no_retry_begins_over_the_budget_and_each_refusal_lies_ahead(
            asked in prop::collection::vec((0..20i64, any::<bool>(), 1..=25usize), 1..300),
        ) {
            let mut budget = RetryBudget::default();
            let (mut now, mut calls) = (0, Vec::new());
            for (seed, (later, is_first, users)) in asked.into_iter().enumerate() {
                now += later;
                let in_window = |calls: &Vec<(i64, bool, usize)>, first: bool| -> u64 {
                    calls.iter().filter(|(at, is_first,
                        _)| *at > now - WINDOW && *is_first == first).map(|(_, _,
                        users)| *users as u64).sum()
                };
                if is_first {
                    budget.note_first_calls(users, at(now));
                    calls.push((now, true, users));
                } else {
                    let has_room = in_window(&calls, false) < limit(in_window(&calls, true));
                    match budget.take(users, seed as u64, at(now)) {
                        Ok(()) => {
                            prop_assert!(has_room);
                            calls.push((now, false, users));
                        }
                        Err(again) => {
                            let latest = at(now + WINDOW) + LONGEST_WAIT;
                            prop_assert!(!has_room && again > at(now) && again <= latest);
                        }
                    }
                }
            }
        }
    }
}
