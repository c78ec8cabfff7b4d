//! Why the Config Database did not do what was asked.

use std::time::Duration;

use cohort_database::{DatabaseError, FaultCause};
use cohort_preferences::Invalid;

/// What the service and its stores return.
pub(crate) type Result<T, E = ConfigServiceError> = std::result::Result<T, E>;

/// Why the Config Database did not do what was asked. Nothing is stored after any of these, unless
/// a [`DatabaseError`] says that its outcome is unknown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigServiceError {
    /// There is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// `If-Match` or `If-None-Match` does not hold (W2).
    #[error("the precondition does not hold: {0}")]
    PreconditionFailed(String),
    /// What was sent breaks the rules (W1).
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// A parameter of the request cannot be read.
    #[error("{0}")]
    Parameter(String),
    /// A cursor of another incarnation of the database, or of a time that it does not have (F7,
    /// F11).
    #[error(
        "this cursor points at nothing that is here: changes up to it are no longer kept, or the \
         database is another or was restored to an earlier moment. Take a new cursor with \
         since_id=now, read everything anew, then follow from that cursor"
    )]
    CursorGone,
    /// The instant asked for has not come, or a write stamped before it has not ended (M1).
    #[error("the state as of this instant is not settled yet: ask again in {} s",
        retry_after.as_secs())]
    NotSettled {
        /// When to ask again.
        retry_after: Duration,
    },
    /// Every write is refused.
    #[error("read only: {0}")]
    ReadOnly(String),
    /// No key was sent, or one that is not known.
    #[error("send a known key as Authorization: Bearer …")]
    Unauthorized,
    /// Who asks may not do this.
    #[error("{who} may not do this")]
    Forbidden {
        /// The key's scopes, or that it was a link.
        who: String,
    },
    /// Who asks has asked too often.
    #[error("too many requests: ask again in {} s", retry_after.as_secs())]
    TooManyRequests {
        /// When to ask again.
        retry_after: Duration,
    },
    /// It would contradict what is there.
    #[error("{0}")]
    Conflict(String),
    /// The database does not do its work at the moment (F12).
    #[error("not ready: {0}")]
    NotReady(String),
    /// The service is being shut down.
    #[error("the service is shutting down")]
    ShuttingDown,
    /// The database did not do what was asked.
    #[error("the database failed")]
    Database(#[from] DatabaseError),
    /// The database holds something that this version cannot read.
    #[error("the database holds {0}, which this version cannot read")]
    Unreadable(String),
}

impl ConfigServiceError {
    /// Returns what keeps the database from doing what was asked, in plain words; `None` if the
    /// service refused it by its own rules.
    pub fn fault(&self) -> Option<FaultCause> {
        match self {
            Self::Database(error) => Some(error.cause()),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for ConfigServiceError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<tokio_postgres::Error> for ConfigServiceError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}
