//! What the ledger knows of one user at one instant (A3).
//!
//! A user is found in the runs of the instant by the ranges of their chunks, and in a chunk's
//! outcomes by their places in the run. Both are indexes: no list of outcomes is ever gone through.

use std::ops::Range;

use async_trait::async_trait;
use cohort_preferences::{JobId, PreferenceGroup};
use jiff::Timestamp;
use serde::Serialize;

use crate::sealed::Sealed;
use crate::{ChunkState, FiringName, LedgerError, OpenMember, OutcomeRecord, Pause, Run};

/// From when and up to when a job is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobStanding {
    /// Nothing from before is ever planned (F1).
    pub began: Timestamp,
    /// Everything up to here is planned (F1).
    pub planned_until: Timestamp,
    /// Its last pause; `None` if it never was paused.
    pub pause: Option<Pause>,
}

/// How a user stands in a run.
#[derive(Debug, Clone)]
pub struct MemberStanding {
    /// The run.
    pub run: Run,
    /// The chunk that the user is in.
    pub chunk: ChunkStanding,
    /// How far the user's work is.
    pub work: WorkStanding,
    /// The attempts that failed and were followed by another, by a requeue too; oldest first.
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
    /// The user has no outcome yet.
    Open(OpenMember),
    /// The user has this outcome.
    Final(OutcomeRecord),
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
    /// It is not claimed before this instant.
    pub ready_at: Timestamp,
    /// Attempts begun.
    pub attempts: u32,
    /// The agent that has claimed it, and until when the claim holds (F3); `None` if it is not
    /// claimed.
    pub lease: Option<(String, Timestamp)>,
}

/// How many instants of runs by hand are looked at.
pub(crate) const RUNS_BY_HAND: i64 = 50;

/// The part of the ledger that explanations read.
#[async_trait]
pub trait ExplainLedger: Sealed {
    /// Returns how far a job is planned; `None` for a job that never was.
    async fn job_standing(&self, job: &JobId) -> Result<Option<JobStanding>, LedgerError>;

    /// Returns the run of one occurrence of a group; `None` if it was not opened, or is no longer
    /// kept.
    async fn run_named(
        &self,
        job: &JobId,
        group: &PreferenceGroup,
        nominal: FiringName,
    ) -> Result<Option<Run>, LedgerError>;

    /// Returns the instant from which on everything is kept; `None` if nothing was ever removed
    /// because of its age.
    async fn kept_since(&self) -> Result<Option<Timestamp>, LedgerError>;

    /// Returns the instants within a span at which somebody ran a job by hand, oldest first; only
    /// the newest of very many.
    async fn runs_by_hand(
        &self,
        job: &JobId,
        span: Range<Timestamp>,
    ) -> Result<Vec<Timestamp>, LedgerError>;

    /// Returns how a user stands in each run of a job that fell on this instant and has the user as
    /// a member. There is more than one such run only if somebody pulled a trigger at that instant.
    async fn member_standings(
        &self,
        job: &JobId,
        number: u64,
        at: Timestamp,
    ) -> Result<Vec<MemberStanding>, LedgerError>;
}
