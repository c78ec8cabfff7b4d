//! What completeness checks read: the runs on record, to compare them with the calendar (A1), and
//! how much work is open.

use async_trait::async_trait;
use cohort_preferences::{JobId, PreferenceGroup};
use jiff::Timestamp;
use serde::Serialize;

use crate::sealed::Sealed;
use crate::{FiringName, LedgerError, RunId, RunState};

/// What a completeness check has to know of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOnRecord {
    /// Its number.
    pub id: RunId,
    /// The group whose users it has.
    pub group: PreferenceGroup,
    /// The occurrence.
    pub nominal: FiringName,
    /// How far it is.
    pub state: RunState,
    /// How many members have an outcome, or are counted as skipped or missed without one.
    pub on_record: u64,
    /// Whether it is open because users of it were requeued: its deadline then counts anew (D6).
    pub is_requeued: bool,
}

/// How much work is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OpenWork {
    /// Runs whose members are still to be read.
    pub runs_reading: u64,
    /// Runs whose members are all read, some without an outcome yet.
    pub runs_processing: u64,
    /// Chunks that wait for an agent to claim them.
    pub chunks_ready: u64,
    /// Chunks that an agent has claimed.
    pub chunks_claimed: u64,
    /// When the longest waiting of the chunks that may be claimed now became ready; `None` if none
    /// may be.
    pub oldest_ready_at: Option<Timestamp>,
}

/// The part of the ledger that completeness checks read.
#[async_trait]
pub trait CompletenessLedger: Sealed {
    /// Returns the runs of a job that fell due between two instants, both included; triggers are
    /// left out.
    async fn runs_between(
        &self,
        job: &JobId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<RunOnRecord>, LedgerError>;

    /// Returns how much work is open. It is cheap to ask: closed runs and chunks that are done are
    /// not gone through.
    async fn open_work(&self, now: Timestamp) -> Result<OpenWork, LedgerError>;
}
