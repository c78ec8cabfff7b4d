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
//!   twice. What that agent cannot finish, because it died or its lease ran out, becomes ready
//!   again, and an agent with free capacity claims it (F9).
//! * Waiting work stands in lanes, one for each job and priority; the claimer says which lane is
//!   next (`backlog`, D7).
//! * A chunk whose holders die is split, and a user whose holders die fails alone (`deaths`, D5).
//! * Every claim raises the chunk's token, and the statement that records outcomes checks it: an
//!   agent that was paused past its lease records nothing (F3).
//! * Outcomes, the chunk and the run's counters change in one transaction; the last outcome closes
//!   the run (D2).
//! * Operators cancel runs here, requeue users who failed and have work done again (`selection`,
//!   `operations`, `rerun`; D6, D13, D14).
//! * What was recorded is told to others as a feed (`record`, F7), and kept for a time
//!   (`retention`).
//! * The ledger knows the agents, and by which time zone database they plan (`agents`, T11).
//! * Jobs and purposes are kept here too, in versions (`definitions`); each run records the version
//!   of its job.
//!
//! Both databases keep the same promises: `conformance` states each as a function that is run on
//! both. SQL stands in `sqlite` and `postgres` only, file by file and function by function in the
//! same order.
//!
//! What may fail: the disk. Then nothing is claimed, so nothing is handed to a handler (F5).

mod agents;
mod backlog;
mod chunk;
mod columns;
mod completeness;
#[cfg(test)]
mod conformance;
#[cfg(feature = "postgres")]
mod copying;
mod deaths;
mod definitions;
mod erasure;
mod error;
mod explain;
mod fair;
mod feed;
mod firing;
mod health;
mod id;
mod identity;
mod json;
mod lanes;
mod ledger;
mod member;
mod operations;
mod outcome;
mod outcome_list;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod recovery;
mod repeated;
mod repeats;
mod rerun;
mod retention;
mod rows;
mod run;
mod sealed;
mod selection;
mod sqlite;
mod states;
mod status;
mod tzdb;

pub use agents::{AgentLedger, AgentSign};
pub use backlog::{BacklogLedger, Lane, Waiting, WaitingWork};
pub use chunk::{Chunk, ChunkResult, ChunkState, Claim, MembersRead, RetriedAttempt};
pub use completeness::{CompletenessLedger, OpenWork, RunOnRecord};
#[cfg(feature = "postgres")]
pub use copying::{CopyError, CopyPurpose, LedgerPlace, Transferred, copy_ledger, verify_ledger};
pub use deaths::{RescueLedger, Treatment};
pub use definitions::{
    Alteration, Definition, DefinitionEdit, DefinitionKind, DefinitionLedger, Pause, StartedWith,
    StoredDefinitions,
};
pub use erasure::ErasureLedger;
pub use error::LedgerError;
pub use explain::{
    ChunkStanding, ExplainLedger, FailedAttempt, JobStanding, MemberStanding, WorkStanding,
};
pub use fair::{FairLedger, MembersQueued};
pub use firing::{Firing, FiringName};
pub use health::{EndedCalls, HealthLedger, HealthState, Outage, ProbeLease, PurposeHealth};
pub use id::RunId;
pub use identity::{chunk_key, idempotency_key, work_key};
pub use ledger::Ledger;
pub use member::{FailedCall, OpenMember, Requeued, UsedSettings};
pub use operations::{OperationLedger, Requeue};
pub use outcome::{
    FailedReason, MissedReason, Outcome, OutcomeRecord, SkippedReason, Status, StatusName,
    UnprocessedReason,
};
pub use outcome_list::OutcomeQuery;
#[cfg(feature = "postgres")]
pub use postgres::PostgresLedger;
pub use record::{AttemptQuery, AttemptRecord, AttemptStatus, FeedPage, RecordLedger};
pub use recovery::{Recovery, RecoveryChoice, RecoveryLedger, RecoveryState};
pub use repeated::{Repeated, RepeatedWork};
pub use repeats::OtherRuns;
pub use rerun::{NewRerun, RepeatedMember, RepeatedPage, RerunLedger};
pub use retention::{LedgerRetention, Pruned, RetentionError, RetentionLedger};
pub use run::{Counts, NewRun, Plan, Run, RunQuery, RunState, Watermark};
#[cfg(feature = "testing")]
#[doc(hidden)]
pub use sealed::Sealed;
pub use selection::{OpenRuns, SelectedCount, SelectedWork, Selection, SelectionLedger};
pub use sqlite::SqliteLedger;
pub use status::{JobWork, ReadingGroup, StatusLedger};
pub use tzdb::{TzdbRelease, TzdbStanding};
