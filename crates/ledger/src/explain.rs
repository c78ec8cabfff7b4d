//! What the ledger knows of one user at one instant (A3).
//!
//! A user is looked for in the runs of the instant by the ranges of their chunks, and in a chunk's
//! outcomes by their places: both are indexes, and no list of outcomes is ever gone through.

use async_trait::async_trait;
use cohort_preferences::{JobId, PreferenceGroup};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{FiringName, LedgerError, OpenMember, OutcomeRecord, Pause, Run};

/// Since when and up to when a job is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobStanding {
    /// Nothing from before is ever planned (F1).
    pub began: Timestamp,
    /// Everything up to here is planned (F1).
    pub planned_until: Timestamp,
    /// Its last pause.
    pub pause: Option<Pause>,
}

/// A user's place in a run.
#[derive(Debug, Clone)]
pub struct Place {
    /// The run.
    pub run: Run,
    /// The chunk that the user is in.
    pub chunk: ChunkStanding,
    /// How far the user's work is.
    pub work: WorkStanding,
    /// The attempts that failed and were followed by another, also by a requeue; oldest first.
    pub failures: Vec<FailedAttempt>,
}

/// An attempt that was followed by another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedAttempt {
    /// Counted from 1.
    pub attempt: u32,
    /// When its result was recorded.
    pub at: Timestamp,
    /// What the handler or the network said.
    pub error: Option<String>,
}

/// How far a user's work is.
#[derive(Debug, Clone)]
pub enum WorkStanding {
    /// It has no outcome yet.
    Open(OpenMember),
    /// It has ended.
    Ended(OutcomeRecord),
}

/// A chunk, and who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkStanding {
    /// Its number.
    pub id: i64,
    /// How many users it was made of.
    pub size: u64,
    /// How far it is.
    pub state: ChunkState,
    /// Not claimed before this instant.
    pub ready_at: Timestamp,
    /// Attempts begun.
    pub attempts: u32,
    /// The agent that has claimed it, and until when the claim holds (F3); `None` while nobody has.
    pub lease: Option<(String, Timestamp)>,
}

/// How far a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChunkState {
    /// It waits for somebody to claim it.
    Ready,
    /// An agent has it in hand.
    Claimed,
    /// Each of its users has an outcome.
    Done,
}

impl ChunkState {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "ready" => Some(Self::Ready),
            "claimed" => Some(Self::Claimed),
            "done" => Some(Self::Done),
            _ => None,
        }
    }
}

/// The part of the ledger that is asked why.
#[async_trait]
pub trait ExplainLedger: Send + Sync {
    /// How far a job is planned; `None` for one that never was.
    async fn job_standing(&self, job: &JobId) -> Result<Option<JobStanding>, LedgerError>;

    /// The run of one occurrence of a group.
    async fn run_named(
        &self,
        job: &JobId,
        group: &PreferenceGroup,
        nominal: FiringName,
    ) -> Result<Option<Run>, LedgerError>;

    /// From when on everything is kept; `None` while nothing was ever removed because of its age.
    async fn kept_since(&self) -> Result<Option<Timestamp>, LedgerError>;

    /// Where a user stands in the runs of a job that fell on this instant; more than one place only
    /// if somebody pulled a trigger at it.
    async fn places(
        &self,
        job: &JobId,
        number: u64,
        at: Timestamp,
    ) -> Result<Vec<Place>, LedgerError>;
}
