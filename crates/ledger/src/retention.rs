//! How long the record is kept, and what is removed afterwards.
//!
//! | rows | kept |
//! | --- | --- |
//! | runs, with chunks, attempts, outcomes | while open, and for the retention after they close |
//! | entries of the feed | for the retention after they were recorded |
//! | names of users | as long as a run that is kept may have them as members |
//! | jobs, definitions, watermarks, agents | for good: there are few |
//!
//! Entries of the feed go before the runs whose outcomes they name, so that a reader of the feed
//! sees all of an outcome or learns that it is gone. Each call removes a limited number of rows, so
//! that nobody waits long for the writer. A call that ends in the middle of a run leaves a run with
//! fewer outcomes than it counts, and the next call goes on there.

use std::str::FromStr;

use async_trait::async_trait;
use cohort_preferences::{InvalidDuration, parse_duration};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::LedgerError;
use crate::sealed::Sealed;

/// How often, at most, the instant at which a user was last a member is noted: by so much it may be
/// too early.
pub(crate) const SEEN_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long closed runs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerRetention(SignedDuration);

/// Why a text does not state a retention.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RetentionError {
    /// It is no duration.
    #[error(transparent)]
    Malformed(#[from] InvalidDuration),
    /// It is shorter than what the ledger is asked about the past.
    #[error(
        "expected at least {} days: a job may ask who has run in the same month, and catch up on \
         the days before",
        LedgerRetention::LEAST_DAYS
    )]
    TooShort,
}

impl LedgerRetention {
    /// A month, in which a job may run a user once (M6), or the longest catch-up window, with some
    /// room.
    const LEAST_DAYS: i64 = 40;

    /// A year, with some room to compare it with the year before.
    const DEFAULT_DAYS: i64 = 400;

    /// The instant before which what was closed is no longer kept.
    pub fn cutoff(self, now: Timestamp) -> Timestamp {
        now.checked_sub(self.0).unwrap_or(Timestamp::MIN)
    }
}

impl Default for LedgerRetention {
    fn default() -> Self {
        Self(days(Self::DEFAULT_DAYS))
    }
}

impl FromStr for LedgerRetention {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, RetentionError> {
        let kept = parse_duration(text)?;
        if kept < days(Self::LEAST_DAYS) { Err(RetentionError::TooShort) } else { Ok(Self(kept)) }
    }
}

const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// How many rows were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Entries of the feed.
    pub feed_entries: usize,
    /// Runs that are gone as a whole.
    pub runs: usize,
    /// Chunks.
    pub chunks: usize,
    /// Outcomes, including failures that were kept by a requeue.
    pub outcomes: usize,
    /// Attempts that were tried again.
    pub attempts: usize,
    /// Who was noted to be in a rerun (D13).
    pub rerun_members: usize,
    /// Names of users.
    pub names: usize,
}

impl Pruned {
    /// All rows together.
    pub fn rows(&self) -> usize {
        let Self { feed_entries, runs, chunks, outcomes, attempts, rerun_members, names } = self;
        feed_entries + runs + chunks + outcomes + attempts + rerun_members + names
    }
}

impl std::ops::AddAssign for Pruned {
    fn add_assign(&mut self, more: Self) {
        self.feed_entries += more.feed_entries;
        self.runs += more.runs;
        self.chunks += more.chunks;
        self.outcomes += more.outcomes;
        self.attempts += more.attempts;
        self.rerun_members += more.rerun_members;
        self.names += more.names;
    }
}

/// The part of the ledger that removes what is no longer kept.
#[async_trait]
pub trait RetentionLedger: Sealed {
    /// Removes at most `rows` rows of what was recorded, or belongs to a run that was closed,
    /// before `cutoff`, and names that no run refers to any more. Once it returns fewer than
    /// `rows`, nothing is left to remove.
    async fn prune(&self, cutoff: Timestamp, rows: usize) -> Result<Pruned, LedgerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_is_a_duration_no_shorter_than_what_is_asked_of_the_past() {
        assert_eq!("400d".parse(), Ok(LedgerRetention::default()));
        assert_eq!("9600h".parse(), Ok(LedgerRetention::default()));
        assert_eq!("39d".parse::<LedgerRetention>(), Err(RetentionError::TooShort));
        for malformed in ["", "d", "400", "-400d", "1y", "99999999999999999999d"] {
            let parsed = malformed.parse::<LedgerRetention>();
            assert!(matches!(parsed, Err(RetentionError::Malformed(_))), "{malformed}");
        }
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().expect("an instant");
        let kept = "40d".parse::<LedgerRetention>().expect("days");
        assert_eq!(kept.cutoff(now).to_string(), "2026-10-22T00:00:00Z");
    }
}
