//! What the ledger holds against the calendar (A1), and how much is open.

use async_trait::async_trait;
use cohort_preferences::{JobId, PreferenceGroup};
use jiff::Timestamp;
use serde::Serialize;

use crate::{FiringName, LedgerError, RunId, RunState};

/// A run as far as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOnRecord {
    /// Its number.
    pub id: RunId,
    /// Of which group.
    pub group: PreferenceGroup,
    /// Of which occurrence.
    pub nominal: FiringName,
    /// How far it is.
    pub state: RunState,
    /// Members who have an outcome, or are counted as skipped or missed without one.
    pub on_record: u64,
    /// Whether users of it were requeued: its deadline counts anew (D6).
    pub is_requeued: bool,
}

/// How much is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OpenWork {
    /// Runs whose members are still to be read.
    pub runs_reading: u64,
    /// Runs of whose members some have no outcome yet.
    pub runs_processing: u64,
    /// Chunks that wait for somebody to claim them.
    pub chunks_ready: u64,
    /// Chunks that an agent has in hand.
    pub chunks_claimed: u64,
    /// Since when the chunk has been ready that waits longest; `None` if none may be claimed now.
    pub oldest_ready_at: Option<Timestamp>,
}

/// The part of the ledger that is counted.
#[async_trait]
pub trait CompletenessLedger: Send + Sync {
    /// The runs of a job that fell due in a stretch of time, both ends included; triggers are left
    /// out.
    async fn runs_between(
        &self,
        job: &JobId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<RunOnRecord>, LedgerError>;

    /// How much is open. Cheap to ask: closed runs and chunks are not gone through.
    async fn open_work(&self, now: Timestamp) -> Result<OpenWork, LedgerError>;
}
