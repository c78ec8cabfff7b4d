//! The errors of scheduling.

use cohort_ledger::LedgerError;
use cohort_preferences::{JobId, UnresolvedGroup};

use super::argument::{ArgumentError, NoGroup, NotServed};
use crate::jobs::BuildError;
use crate::processor::ProcessError;
use crate::schedules::SUDDENLY_EMPTY;
use crate::source::SourceError;

/// Why scheduling could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The Config Database did not answer.
    #[error("reading groups and changes")]
    Source(#[from] SourceError),
    /// The ledger did not take or give what was asked.
    #[error("planning runs")]
    Ledger(#[from] LedgerError),
    /// Processing failed in simulated time.
    #[error("processing runs")]
    Process(#[from] ProcessError),
    /// A stored job or purpose cannot be served here.
    #[error(transparent)]
    Unserved(#[from] BuildError),
    /// The groups known were not replaced by a list that names nobody (M8).
    #[error("job {job_id}: {SUDDENLY_EMPTY}")]
    SuddenlyEmpty {
        /// Which job.
        job_id: JobId,
    },
    /// A stated group that no default completes (T12).
    #[error("job {job_id}")]
    Unresolved {
        /// Which job.
        job_id: JobId,
        /// What is missing.
        source: UnresolvedGroup,
    },
    /// A call was given a text that names no feature, frequency or time key.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// A call named a feature whose preferences no job follows.
    #[error(transparent)]
    NotServed(#[from] NotServed),
    /// A call named a group that nobody has asked for.
    #[error(transparent)]
    NoGroup(#[from] NoGroup),
}
