//! What waits for hands, by lanes, and how it is claimed (D7).
//!
//! ```text
//! lane (job, priority) ─┬─ members: runs of which a page is to be read
//!                       ├─ chunks: ready, and nothing is known against them
//!                       └─ suspects: ready, and a worker has died with them before (D5)
//! ```
//!
//! The ledger says since when the oldest of each waits, and whoever has hands chooses the lane
//! (`processor/turns.rs`). A few index seeks a job tell it, however much waits. A run waits since
//! its last page was read, so that runs of different jobs take turns; within a lane they are read
//! in the order of their instants.
//!
//! Suspects are claimed one at a time, so that the next death says more than the last.

use async_trait::async_trait;
use cohort_preferences::{JobId, Priority};
use jiff::Timestamp;

use crate::{Chunk, Claim, LedgerError, Run};

/// Where the work of one job waits that was opened with one priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Which job.
    pub job: JobId,
    /// How urgent.
    pub priority: Priority,
}

/// What kind of work waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingWork {
    /// Members that are still to be read into chunks.
    Members,
    /// Chunks with which no worker has died.
    Chunks,
    /// Chunks with which a worker has died (D5).
    Suspects,
}

/// The oldest work of its kind in a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Where.
    pub lane: Lane,
    /// What.
    pub work: WaitingWork,
    /// Since when it can be claimed, or from when on.
    pub since: Timestamp,
}

/// The part of the ledger that hands out work.
#[async_trait]
pub trait BacklogLedger: Send + Sync {
    /// What can be claimed now.
    async fn backlog(&self, now: Timestamp) -> Result<Vec<Waiting>, LedgerError>;

    /// All that waits, also for an instant that is still to come.
    async fn coming(&self) -> Result<Vec<Waiting>, LedgerError>;

    /// The run of the lane whose members are to be read first.
    async fn next_run_to_read(
        &self,
        lane: &Lane,
        now: Timestamp,
    ) -> Result<Option<Run>, LedgerError>;

    /// Claims ready chunks of the lane that are no suspects, those first that wait longest.
    async fn claim_chunks(
        &self,
        lane: &Lane,
        claim: Claim,
        limit: usize,
    ) -> Result<Vec<Chunk>, LedgerError>;

    /// Claims the suspect of the lane that waits longest.
    async fn claim_suspect(&self, lane: &Lane, claim: Claim) -> Result<Option<Chunk>, LedgerError>;
}
