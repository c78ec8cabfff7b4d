//! How long the record is kept, and what goes when it is not.
//!
//! | rows | kept |
//! | --- | --- |
//! | runs with their chunks, attempts and outcomes | for the retention after the run was closed; for good while it is open |
//! | settlements, which are the feed | for the retention after they were recorded |
//! | names of users | as long as a run that is kept may have them as members |
//! | jobs, definitions, marks, agents | for good: there are few |
//!
//! Settlements go before the runs whose outcomes they name, so that a reader of the feed sees all
//! of an outcome or learns that it is gone. Each call takes so many rows and no more, so that
//! nobody waits long for the writer. Who stops in between has left a run that has fewer outcomes
//! than it counts, and the next call goes on there.

use std::str::FromStr;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::LedgerError;

/// By how much the noted instant at which a user was last a member may be too early: so rarely it
/// is written.
pub(crate) const SEEN_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long closed runs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerRetention(SignedDuration);

/// A retention that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RetentionError {
    /// It is no number of days.
    #[error("expected a number of days such as 400d")]
    Malformed,
    /// It is too short for what the ledger is asked about the past.
    #[error(
        "expected at least {} days: a job may ask who has run in the same month, and catch up on \
         the days before",
        LedgerRetention::LEAST_DAYS
    )]
    TooShort,
}

impl LedgerRetention {
    /// A month, in which a job may run a user once (M6), and the longest catch-up window, with
    /// room.
    const LEAST_DAYS: i64 = 40;

    /// A year, with room to compare it with the one before.
    const DEFAULT_DAYS: i64 = 400;

    fn of_days(days: i64) -> Result<Self, RetentionError> {
        if days < Self::LEAST_DAYS {
            return Err(RetentionError::TooShort);
        }
        let hours = days
            .checked_mul(24)
            .and_then(|hours| hours.checked_mul(60 * 60))
            .ok_or(RetentionError::Malformed)?;
        Ok(Self(SignedDuration::from_secs(hours)))
    }

    /// Before which instant what was closed is no longer kept.
    pub fn cutoff(self, now: Timestamp) -> Timestamp {
        now.checked_sub(self.0).unwrap_or(Timestamp::MIN)
    }
}

impl Default for LedgerRetention {
    fn default() -> Self {
        Self::of_days(Self::DEFAULT_DAYS).expect("longer than the least")
    }
}

impl FromStr for LedgerRetention {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, RetentionError> {
        let days = text.strip_suffix('d').ok_or(RetentionError::Malformed)?;
        let is_number = !days.is_empty() && days.bytes().all(|byte| byte.is_ascii_digit());
        days.parse()
            .ok()
            .filter(|_| is_number)
            .ok_or(RetentionError::Malformed)
            .and_then(Self::of_days)
    }
}

/// How many rows were removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Of the feed.
    pub settlements: usize,
    /// Runs that are gone as a whole.
    pub runs: usize,
    /// Chunks of runs.
    pub chunks: usize,
    /// Outcomes, those that a requeue left included.
    pub outcomes: usize,
    /// Attempts that were tried again.
    pub attempts: usize,
    /// Names of users.
    pub names: usize,
}

impl Pruned {
    /// All rows.
    pub fn rows(&self) -> usize {
        let Self { settlements, runs, chunks, outcomes, attempts, names } = self;
        settlements + runs + chunks + outcomes + attempts + names
    }
}

impl std::ops::AddAssign for Pruned {
    fn add_assign(&mut self, more: Self) {
        self.settlements += more.settlements;
        self.runs += more.runs;
        self.chunks += more.chunks;
        self.outcomes += more.outcomes;
        self.attempts += more.attempts;
        self.names += more.names;
    }
}

/// The part of the ledger that forgets.
#[async_trait]
pub trait RetentionLedger: Send + Sync {
    /// Removes at most `rows` rows of what was recorded, or belongs to a run that was closed,
    /// before `cutoff`, and names that no run refers to any more. Nothing is left to remove once it
    /// answers less than `rows`.
    async fn prune(&self, cutoff: Timestamp, rows: usize) -> Result<Pruned, LedgerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_is_a_number_of_days_and_no_shorter_than_what_is_asked_of_the_past() {
        assert_eq!("400d".parse(), Ok(LedgerRetention::default()));
        assert_eq!("39d".parse::<LedgerRetention>(), Err(RetentionError::TooShort));
        for malformed in ["", "d", "400", "-400d", "+400d", "1y", "99999999999999999999d"] {
            assert_eq!(
                malformed.parse::<LedgerRetention>(),
                Err(RetentionError::Malformed),
                "{malformed}"
            );
        }
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().expect("an instant");
        let kept = "40d".parse::<LedgerRetention>().expect("days");
        assert_eq!(kept.cutoff(now).to_string(), "2026-10-22T00:00:00Z");
    }
}
