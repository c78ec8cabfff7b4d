//! A claimed chunk, with what this agent knows of its run and its members.

use std::sync::Arc;

use cohort_ledger::{Chunk, OtherRuns, Run};
use cohort_preferences::Member;
use jiff::Timestamp;
use tokio::sync::OnceCell;
use tracing::Span;

use crate::jobs::JobInForce;
use crate::schedules::LogPosition;

/// Members read at once, and users of as many ready chunks claimed at once.
pub(super) const CLAIM_USERS: usize = 2_500;

/// The size of most chunks; a claim of ready chunks takes as many as make up [`CLAIM_USERS`].
pub(super) const USERS_OF_A_CHUNK: usize = 25;

/// A chunk that this agent has claimed.
pub(super) struct Claimed {
    pub(super) chunk: Chunk,
    pub(super) lease_until: Timestamp,
    pub(super) run: Arc<Run>,
    pub(super) job: Arc<JobInForce>,
    /// What other runs of the job there are. The ledger is asked once for all chunks of a run that
    /// were claimed together.
    pub(super) others: Arc<OnceCell<OtherRuns>>,
    /// The members as their page listed them; `None` if they have to be looked up.
    pub(super) read: Option<ReadMembers>,
    /// Why it was claimed.
    pub(super) intent: ClaimedFor,
}

/// Why a chunk was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClaimedFor {
    /// For its users to be called.
    Calls,
    /// For one call, to learn whether its purpose has recovered (D12).
    Probe,
    /// Because it may end without a call, while its purpose is held: canceled, or too late.
    Ending,
}

/// The members of a chunk as a page of members listed them.
pub(super) struct ReadMembers {
    pub(super) members: Vec<Member>,
    /// The end of the change feed's log before the page was read.
    pub(super) position: LogPosition,
}

impl Claimed {
    /// The span of the work on this chunk. It is at the level of errors, so that each line within
    /// it names its chunk, however little is logged.
    pub(super) fn span(&self) -> Span {
        let Self { chunk, run, .. } = self;
        tracing::error_span!(
            "chunk",
            chunk = chunk.id,
            run = %run.id,
            job_id = %run.job_id,
            group = %run.group,
            tenants = chunk.open.len(),
        )
    }
}
