//! Why the ledger could not do what was asked.

use cohort_database::FaultCause;
use cohort_preferences::GroupError;
use jiff::Timestamp;

use crate::RunId;
use crate::tzdb::TzdbRelease;

/// Why the ledger could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The database failed.
    #[error("writing or reading the ledger")]
    Database(#[from] cohort_database::DatabaseError),
    /// A row does not read back as what was written.
    #[error("reading a row of the ledger: {0}")]
    Corrupt(String),
    /// The claim has passed to another agent: nothing was recorded (F3).
    #[error("the claim of chunk {chunk} has passed to another agent")]
    LostClaim {
        /// The chunk.
        chunk: i64,
    },
    /// Jobs or purposes were stored after the edit was decided: read them again, and decide anew.
    #[error("jobs or purposes were stored meanwhile")]
    RevisionMoved,
    /// The plan was made by another time zone database than the ledger's (T11).
    #[error("planned by the time zone database {planned_by}, and the ledger goes by {in_force}")]
    OtherTzdb {
        /// The planner's release.
        planned_by: TzdbRelease,
        /// The ledger's release.
        in_force: TzdbRelease,
    },
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// A run that has ended cannot be canceled.
    #[error("run {run} was closed{}: nothing of it is left to cancel", since(*closed_at))]
    RunEnded {
        /// The run.
        run: RunId,
        /// When it was closed.
        closed_at: Option<Timestamp>,
    },
    /// Nobody can be requeued in a run that is being canceled.
    #[error("run {0} is being canceled: who failed in it can be requeued once it is closed")]
    RunIsBeingCanceled(RunId),
    /// The cursor belongs to another incarnation of the ledger, or to what is no longer kept (F7,
    /// F11).
    #[error(
        "this cursor points at nothing that is here: outcomes up to it are no longer kept, or the \
         ledger is another or was restored to an earlier moment. Take a new cursor with \
         cursor=now, list the outcomes, then follow from that cursor"
    )]
    CursorGone,
    /// The text is no cursor that a list gave out.
    #[error("cursor: expected one that an earlier page gave, got {0:?}")]
    Cursor(String),
}

impl LedgerError {
    /// Returns what keeps the ledger's database from doing what was asked, in plain words; `None`
    /// if it did what was asked, or refused it by the ledger's own rules.
    pub fn fault(&self) -> Option<FaultCause> {
        match self {
            Self::Database(error) => Some(error.cause()),
            _ => None,
        }
    }
}

fn since(closed_at: Option<Timestamp>) -> String {
    closed_at.map(|at| format!(" at {at}")).unwrap_or_default()
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

#[cfg(feature = "postgres")]
impl From<tokio_postgres::Error> for LedgerError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<GroupError> for LedgerError {
    fn from(error: GroupError) -> Self {
        Self::Corrupt(error.to_string())
    }
}
