//! The ledger: the durable record of what was to be done and how it ended.
//!
//! ```text
//! open_runs ──► run: reading ──add_members──► run: processing ──last outcome──► run: closed
//!                      │ a page of members, cut into chunks
//!                      ▼
//!               chunk: claimed ──record_outcomes──► chunk: done
//!                   ▲      │ some may succeed later
//!            claim_chunks  ▼
//!                   chunk: ready
//! ```
//!
//! * Opening a run is an insert under a unique key; that insert is the election among agents (F3).
//! * Chunks are born claimed by the agent that read the page, so that settings need not be read
//!   twice. What it cannot finish, because it died or the lease ran out, becomes ready again and is
//!   claimed by whoever has hands (F9).
//! * What waits stands in lanes, one a job and priority; which lane is next is for the claimer to
//!   say (`backlog`, D7).
//! * A chunk whose holders die is split, and a user whose holders die fails alone (`deaths`, D5).
//! * Every claim raises the chunk's token, and the statement that records outcomes checks it: an
//!   agent that was paused past its lease records nothing (F3).
//! * Outcomes, the chunk and the run's counters change in one transaction; the last outcome closes
//!   the run (D2).
//! * Operators act on runs here: they cancel them, and requeue who failed (`operations`, D6).
//! * What was recorded is told to others as a feed (`record`, F7), and kept for a time
//!   (`retention`).
//! * The agents are known here, and by which time zone database they plan (`agents`, T11).
//! * Jobs and purposes are kept here too, in versions (`definitions`); each run records the version
//!   of its job.
//!
//! What may fail: the disk. Then nothing is claimed, so nothing is handed to a handler (F5).

mod agents;
mod backlog;
mod chunk;
mod completeness;
#[cfg(test)]
mod conformance;
mod deaths;
mod definitions;
mod erasure;
mod error;
mod explain;
mod fair;
mod firing;
mod id;
mod identity;
mod json;
mod ledger;
mod operations;
mod outcome;
mod outcome_list;
mod postgres;
mod record;
mod retention;
mod run;
mod sqlite;
mod throttle;

pub use agents::{AgentLedger, AgentSign, TzdbRelease, TzdbStanding};
pub use backlog::{BacklogLedger, Lane, Waiting, WaitingWork};
pub use chunk::{Chunk, ChunkResult, Claim, MembersRead, OpenMember, RetriedAttempt, UsedSettings};
pub use completeness::{CompletenessLedger, OpenWork, RunOnRecord};
pub use deaths::{Fate, RescueLedger};
pub use definitions::{
    Alteration, Definition, DefinitionEdit, DefinitionKind, DefinitionLedger, Pause, StartedWith,
    StoredDefinitions,
};
pub use erasure::ErasureLedger;
pub use error::LedgerError;
pub use explain::{
    ChunkStanding, ChunkState, ExplainLedger, FailedAttempt, JobStanding, Place, WorkStanding,
};
pub use fair::{FairLedger, MembersQueued};
pub use firing::{Firing, FiringName};
pub use id::RunId;
pub use identity::{chunk_key, idempotency_key, work_key};
pub use ledger::Ledger;
pub use operations::{DeadLetter, DeadLetterQuery, OperationLedger, Requeue, Requeued};
pub use outcome::{
    FailedReason, MissedReason, Outcome, OutcomeRecord, SkippedReason, Status, StatusName,
    UnprocessedReason,
};
pub use outcome_list::OutcomeQuery;
pub use postgres::PostgresLedger;
pub use record::{AttemptQuery, AttemptRecord, AttemptStatus, FeedPage, RecordLedger};
pub use retention::{LedgerRetention, Pruned, RetentionError, RetentionLedger};
pub use run::{Counts, NewRun, OtherRuns, Plan, Run, RunQuery, RunState, Watermark};
pub use sqlite::SqliteLedger;
pub use throttle::ThrottleLedger;
