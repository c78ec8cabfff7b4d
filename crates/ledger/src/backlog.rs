//! The work that waits, by lanes, and how it is claimed (D7).
//!
//! ```text
//! lane (job, priority) ─┬─ members: runs of which a page is to be read
//!                       ├─ chunks: ready, and no worker has died with them
//!                       └─ suspects: ready, and a worker has died with them before (D5)
//! ```
//!
//! The ledger says since when the oldest of each waits, and an agent with free capacity chooses the
//! lane. A few index seeks per job tell it, however much waits. A run waits since its last page was
//! read, so that runs of different jobs take turns; within a lane runs are read in the order of
//! their instants.
//!
//! Suspects are claimed one at a time, so that the next death says more than the last.

use async_trait::async_trait;
use cohort_preferences::{JobId, Priority};
use jiff::Timestamp;

use crate::sealed::Sealed;
use crate::{Chunk, Claim, LedgerError, Run};

/// The queue of one job's work that was opened with one priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The job.
    pub job: JobId,
    /// How urgent its work is.
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
    /// Where it waits.
    pub lane: Lane,
    /// What kind of work it is.
    pub work: WaitingWork,
    /// When it became claimable, or will.
    pub since: Timestamp,
}

/// The part of the ledger that hands out work.
#[async_trait]
pub trait BacklogLedger: Sealed {
    /// Returns what can be claimed now.
    async fn backlog(&self, now: Timestamp) -> Result<Vec<Waiting>, LedgerError>;

    /// Returns all that waits, also for an instant that is still to come.
    async fn coming(&self) -> Result<Vec<Waiting>, LedgerError>;

    /// Returns the run of the lane whose members are to be read next; `None` if no run waits to be
    /// read.
    async fn next_run_to_read(
        &self,
        lane: &Lane,
        now: Timestamp,
    ) -> Result<Option<Run>, LedgerError>;

    /// Claims up to `limit` ready chunks of the lane that are no suspects, longest waiting first.
    async fn claim_chunks(
        &self,
        lane: &Lane,
        claim: Claim,
        limit: usize,
    ) -> Result<Vec<Chunk>, LedgerError>;

    /// The same for chunks of the lane's runs that were canceled, or that were due before an
    /// instant: those that end without a call, whatever they wait for.
    async fn claim_ended(
        &self,
        lane: &Lane,
        claim: Claim,
        due_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Chunk>, LedgerError>;

    /// Claims the suspect of the lane that waits longest; `None` if there is none.
    async fn claim_suspect(&self, lane: &Lane, claim: Claim) -> Result<Option<Chunk>, LedgerError>;
}
