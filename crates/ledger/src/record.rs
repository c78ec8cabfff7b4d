//! The record for others: the feed of outcomes as they are recorded (F7), and every attempt of a
//! user.
//!
//! ```text
//! record_outcomes ──► settlement 41 ─┬─ outcome     outcome_feed(behind 40) ──► those of 41, 42, … and a cursor behind them
//!                 ──► settlement 42  └─ outcome
//! ```
//!
//! What the feed promises is what the Config Database's does: every recorded outcome is seen by
//! every reader, in the order of commits, with no gap, also when transactions commit out of the
//! order in which they began. A settlement is one row for the outcomes of a chunk that were
//! recorded together, so that the feed costs next to nothing. A user who was requeued and ends
//! again appears again. A page ends with a whole settlement.
//!
//! What may fail: the cursor belongs to another ledger, to a state that this one does not have, or
//! to what is no longer kept; then it is gone, and the reader lists the outcomes and follows from
//! `now`.

use async_trait::async_trait;
use cohort_preferences::TenantId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{LedgerError, OutcomeRecord, RunId};

/// How many characters of the incarnation's id stand in a cursor.
const INCARNATION_SHOWN: usize = 8;

/// The most outcomes of a page of the feed, but for the rest of a settlement.
pub(crate) const MOST_OUTCOMES: usize = 1_000;

/// The most attempts of a page.
const MOST_ATTEMPTS: usize = 5_000;

/// Where the feed stands behind a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FeedPosition {
    /// The transaction that recorded it; 0 where transactions are one after another.
    pub(crate) transaction: u64,
    /// Its number.
    pub(crate) settlement: i64,
}

/// Where a page of the feed begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FeedSince {
    /// At the oldest settlement kept.
    Oldest,
    /// Behind the newest.
    Now,
    /// Behind this one.
    Position(FeedPosition),
}

impl FeedSince {
    /// Reads what a request asks for: nothing, `now`, or a cursor of this incarnation.
    pub(crate) fn read(text: Option<&str>, incarnation: &str) -> Result<Self, LedgerError> {
        match text {
            None => Ok(Self::Oldest),
            Some("now") => Ok(Self::Now),
            Some(cursor) => FeedPosition::read(cursor, incarnation).map(Self::Position),
        }
    }
}

impl FeedPosition {
    /// The cursor of the page behind it.
    pub(crate) fn cursor(self, incarnation: &str) -> String {
        let Self { transaction, settlement } = self;
        format!("{}-{transaction}-{settlement}", shown(incarnation))
    }

    fn read(cursor: &str, incarnation: &str) -> Result<Self, LedgerError> {
        let malformed = || LedgerError::Cursor(cursor.into());
        let parts: Vec<&str> = cursor.split('-').collect();
        let [life, transaction, settlement] = parts[..] else { return Err(malformed()) };
        if life.len() != INCARNATION_SHOWN || !life.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        let (Ok(transaction), Ok(settlement)) = (transaction.parse(), settlement.parse()) else {
            return Err(malformed());
        };
        if life == shown(incarnation) {
            Ok(Self { transaction, settlement })
        } else {
            Err(LedgerError::CursorGone)
        }
    }
}

fn shown(incarnation: &str) -> &str {
    incarnation.get(..INCARNATION_SHOWN).unwrap_or(incarnation)
}

/// A stretch of the outcome feed.
#[derive(Debug, Clone, Serialize)]
pub struct FeedPage {
    /// The outcomes, in the order in which they were recorded.
    pub outcomes: Vec<OutcomeRecord>,
    /// The cursor behind them.
    pub next: String,
}

/// Which attempts of a run to list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptQuery {
    /// Of one user; `None` does not restrict.
    pub tenant: Option<TenantId>,
    /// Behind this place, as `ordinal:attempt`; from the start if not given.
    pub cursor: Option<String>,
    /// The most wanted, up to 5,000.
    pub limit: Option<usize>,
}

impl AttemptQuery {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(MOST_ATTEMPTS).clamp(1, MOST_ATTEMPTS)
    }

    /// The place and the attempt behind which the list begins; `None` from the start.
    pub(crate) fn after(&self) -> Result<Option<(i64, u32)>, LedgerError> {
        let Some(text) = self.cursor.as_deref() else { return Ok(None) };
        let parts = text
            .split_once(':')
            .and_then(|(ordinal, attempt)| Some((ordinal.parse().ok()?, attempt.parse().ok()?)));
        parts.map(Some).ok_or_else(|| LedgerError::Cursor(text.into()))
    }
}

/// One call of the handler for one user, whose result was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptRecord {
    /// In which run.
    pub run_id: RunId,
    /// For whom; an erased user's name is replaced (W8).
    pub tenant_id: TenantId,
    /// Counted from 1, also across requeues.
    pub attempt: u32,
    /// When its result was recorded.
    pub at: Timestamp,
    /// What became of it.
    pub status: AttemptStatus,
    /// What the handler or the network said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptStatus {
    /// The handler said that it is done.
    Succeeded,
    /// It was not, and nothing tried again by itself.
    Failed,
    /// It was not, and the next attempt followed by itself.
    Retried,
}

/// The part of the ledger that tells others what was recorded.
#[async_trait]
pub trait RecordLedger: Send + Sync {
    /// The outcomes recorded behind a cursor: from the oldest kept without one, from here with
    /// `now`. About as many as `limit`: those of one settlement are never parted.
    ///
    /// # Errors
    /// [`LedgerError::Cursor`] if it is none; [`LedgerError::CursorGone`] if it is of another
    /// ledger, or behind what is kept.
    async fn outcome_feed(
        &self,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<FeedPage, LedgerError>;

    /// Changes when something may have been recorded in this process, and maybe when nothing was.
    fn recorded(&self) -> watch::Receiver<()>;

    /// Attempts of a run by user and number, and the cursor of the next page.
    async fn attempts(
        &self,
        run: RunId,
        query: AttemptQuery,
    ) -> Result<(Vec<AttemptRecord>, Option<String>), LedgerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "0a0b0c0d1111222233334444";

    #[test]
    fn a_cursor_reads_back_in_its_own_incarnation_only() {
        let position = FeedPosition { transaction: 7, settlement: 42 };
        let cursor = position.cursor(OURS);
        assert_eq!(
            FeedSince::read(Some(&cursor), OURS).expect("reads"),
            FeedSince::Position(position)
        );
        assert!(matches!(
            FeedSince::read(Some(&cursor), "ffff0000ffff0000"),
            Err(LedgerError::CursorGone)
        ));
        assert_eq!(FeedSince::read(None, OURS).expect("reads"), FeedSince::Oldest);
        assert_eq!(FeedSince::read(Some("now"), OURS).expect("reads"), FeedSince::Now);
        for malformed in [
            "",
            "42",
            "0a0b0c0d-1",
            "0a0b0c0d-x-1",
            "0a0b0c0d-1-",
            "yesterday-1-1",
            "0a0b0c0d-1-1-1",
        ] {
            assert!(
                matches!(FeedSince::read(Some(malformed), OURS), Err(LedgerError::Cursor(_))),
                "{malformed}"
            );
        }
    }
}
