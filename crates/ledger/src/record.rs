//! The record for others: the feed of outcomes as they are recorded (F7), and every attempt of a
//! user.
//!
//! ```text
//! record_outcomes ──► feed entry 41 ─┬─ outcome     outcome_feed(after 40) ──► the outcomes of
//!                 ──► feed entry 42  └─ outcome         41, 42, … and a cursor after them
//! ```
//!
//! The feed promises what the Config Database's does: every reader sees every recorded outcome, in
//! the order of commits and with no gap, even when transactions commit in another order than they
//! began in. An entry is one row for the outcomes of a chunk that were recorded together, so that
//! the feed costs next to nothing. A user who was requeued and ends again appears again. A page
//! ends with a whole entry.
//!
//! What may fail: the cursor belongs to another ledger, to a state that this ledger does not have,
//! or to what is no longer kept. Then it is gone, and the reader lists the outcomes and follows
//! from `now`.

use async_trait::async_trait;
use cohort_preferences::TenantId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::sealed::Sealed;
use crate::{LedgerError, OutcomeRecord, RunId};

/// The most attempts of a page.
const MOST_ATTEMPTS: usize = 5_000;

/// A page of the outcome feed.
#[derive(Debug, Clone, Serialize)]
pub struct FeedPage {
    /// The outcomes, in the order in which they were recorded.
    pub outcomes: Vec<OutcomeRecord>,
    /// The cursor after them.
    pub next: String,
}

/// Which attempts of a run to list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptQuery {
    /// Only those of this user; `None` does not restrict.
    pub tenant: Option<TenantId>,
    /// Only those after this one, as `ordinal:attempt`; from the start if not given.
    pub cursor: Option<String>,
    /// The most wanted, up to 5,000.
    pub limit: Option<usize>,
}

impl AttemptQuery {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(MOST_ATTEMPTS).clamp(1, MOST_ATTEMPTS)
    }

    /// The place and the attempt after which the list begins; `None` from the start.
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
    /// The run in which it was made.
    pub run_id: RunId,
    /// The user; an erased user's name is replaced (W8).
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
    /// The handler said that the work is done.
    Succeeded,
    /// The work was not done, and nothing tried again by itself.
    Failed,
    /// The work was not done, and the next attempt followed by itself.
    Retried,
}

impl AttemptStatus {
    /// The status of an attempt, by that of the outcome in which it ended; `None` if it ended in
    /// none.
    pub(crate) fn from_outcome(code: Option<i32>) -> Result<Self, LedgerError> {
        use crate::states::{FAILED, SUCCEEDED};
        match code {
            None => Ok(Self::Retried),
            Some(SUCCEEDED) => Ok(Self::Succeeded),
            Some(FAILED) => Ok(Self::Failed),
            Some(other) => Err(LedgerError::Corrupt(format!("the status {other} of an attempt"))),
        }
    }
}

/// The part of the ledger that tells others what was recorded.
#[async_trait]
pub trait RecordLedger: Sealed {
    /// Returns the outcomes recorded after a cursor: from the oldest kept without one, from here
    /// with `now`. There are about as many as `limit`: those of one entry are never parted.
    ///
    /// # Errors
    /// [`LedgerError::Cursor`] if the text is no cursor; [`LedgerError::CursorGone`] if it belongs
    /// to another ledger, or to what is no longer kept.
    async fn outcome_feed(
        &self,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<FeedPage, LedgerError>;

    /// Changes when something may have been recorded in this process, and sometimes when nothing
    /// was.
    fn recorded(&self) -> watch::Receiver<()>;

    /// Returns attempts of a run by user and number, and the cursor of the next page.
    async fn attempts(
        &self,
        run: RunId,
        query: AttemptQuery,
    ) -> Result<(Vec<AttemptRecord>, Option<String>), LedgerError>;
}
