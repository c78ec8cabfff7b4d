//! Why a database could not do what was asked.

use std::path::PathBuf;

/// What went wrong with a database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file could not be opened.
    #[error("opening the database {path}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The schema could not be brought to this version's state.
    #[error("migrating the database {path}")]
    Migrate {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<refinery::Error>,
    },
    /// A statement failed.
    #[error("running a statement")]
    Statement(#[from] rusqlite::Error),
    /// The transaction that held this job, maybe with others, could not be committed: nothing of it is stored.
    #[error("committing: {0}")]
    Commit(String),
    /// The database was closed while the job waited.
    #[error("the database is closed")]
    Closed,
}
