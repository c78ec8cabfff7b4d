//! Why a database was not written anew. The target is then as it was.

use std::path::PathBuf;

use crate::error::DatabaseError;

/// Why a database was not written anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A database did not do what was asked.
    #[error("copying rows")]
    Database(#[from] DatabaseError),
    /// There is a file where one is to be made.
    #[error("{path} is there already: give another place, or remove it first")]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// The schema has rows.
    #[error(
        "the schema {schema} has rows in the table {table}: give another with --name, or drop it \
         first"
    )]
    NotEmpty {
        /// Which schema.
        schema: String,
        /// The first table that has rows.
        table: String,
    },
    /// The source has nothing of ours.
    #[error("there is no database of Cohort at {0}")]
    Nothing(String),
    /// The source has something that this program does not know.
    #[error(
        "this version of Cohort does not know {0} of the source: it was made by a newer one; use \
         that version"
    )]
    Unknown(String),
    /// The target has something that the source cannot give.
    #[error(
        "the source has no {0}, and it has no default: it was made by an older version; start \
        that database once with this version, then copy again"
    )]
    Missing(String),
    /// Not all rows have arrived.
    #[error("the table {table} has {found} rows in the copy and {expected} in the source")]
    CountDiffers {
        /// Which table.
        table: String,
        /// In the source.
        expected: u64,
        /// In the target.
        found: u64,
    },
    /// The file is damaged.
    #[error("{path} is damaged: {told}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What SQLite says of it.
        told: String,
    },
}
