//! Why a database could not do what was asked. No text holds an address with its password.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use semver::Version;
#[cfg(feature = "postgres")]
use tokio_postgres::error::Error as PostgresError;

use crate::fault::{self, FaultCause};

/// What went wrong with a database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The file could not be opened.
    #[error("opening the database {path}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A file could not be made or written.
    #[error("writing {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file could not be taken for this program alone.
    #[error("opening the database {path}")]
    Own {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The system could not say how much room there is.
    #[error("asking how much room there is for the database {path}")]
    DiskUsage {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another handle may write the file, and one may at a time.
    #[error(
        "the database {path} is in use by {}: one process at a time may write it, by whatever name",
        in_words(*holder)
    )]
    InUse {
        /// Which file, by the name that was asked for.
        path: PathBuf,
        /// The process; `None` if that cannot be told.
        holder: Option<u32>,
    },
    /// The text is not the address of a PostgreSQL database. The error does not quote it, as it may
    /// hold the password.
    #[error(
        "reading the database's address: it is not of the form \
         postgres://user:password@host:port/database?sslmode=require \
         (in user and password, write % and / and ? and # and @ and : as %25 and %2F and %3F and \
         %23 and %40 and %3A)"
    )]
    Address,
    /// The text cannot be the name of a schema.
    #[error(
        "reading the name of a schema: {0:?} is not a lower-case letter followed by at most 40 of \
         a-z, 0-9 and _"
    )]
    SchemaName(String),
    /// The system's certificates could not be read.
    #[cfg(feature = "postgres")]
    #[error("preparing TLS for the database")]
    Tls(#[source] rustls::Error),
    /// The server could not be reached, or refused.
    #[cfg(feature = "postgres")]
    #[error("connecting to the database {database}")]
    Connect {
        /// Which schema where.
        database: String,
        /// Why.
        source: PostgresError,
    },
    /// All connections of the pool stayed in use.
    #[error("waiting {} s for one of this process's connections to the database {database}",
        waited.as_secs())]
    AllConnectionsInUse {
        /// Which schema where.
        database: String,
        /// How long.
        waited: Duration,
    },
    /// The database did not answer within our limit (F6).
    #[error("waiting {} s for an answer of the database {database}", waited.as_secs())]
    NoAnswer {
        /// Which file, or which schema where.
        database: String,
        /// How long.
        waited: Duration,
    },
    /// The answer of a commit was lost: it may be stored or not.
    #[error("committing, and whether it is stored is not known")]
    Unknown(#[source] Box<Self>),
    /// The server is of a version that lacks what is used here.
    #[error("the database {database} is served by PostgreSQL {version}: 15 or newer is needed")]
    ServerTooOld {
        /// Which schema where.
        database: String,
        /// As the server says it.
        version: String,
    },
    /// The schema is not there and could not be created.
    #[cfg(feature = "postgres")]
    #[error("creating the schema of the database {database}")]
    CreateSchema {
        /// Which schema where.
        database: String,
        /// Why.
        source: PostgresError,
    },
    /// The schema could not be brought to this version's state.
    #[error("migrating the database {database}")]
    Migrate {
        /// Which file, or which schema where.
        database: String,
        /// Why.
        source: Box<refinery::Error>,
    },
    /// A newer program has changed the database in a way that this program would get wrong.
    #[error(
        "the database {database} may be used by Cohort {oldest} or newer, and this is {program}: \
         install {oldest} or newer, \
         or restore a backup of before the upgrade"
    )]
    ProgramTooOld {
        /// Which file, or which schema where.
        database: String,
        /// This program.
        program: Version,
        /// The oldest program that may use the database.
        oldest: Version,
    },
    /// The record of the oldest program that may use the database is not a version.
    #[error(
        "reading from the database {database} which program may use it: {recorded:?} is not a \
         version"
    )]
    Record {
        /// Which file, or which schema where.
        database: String,
        /// What is recorded.
        recorded: String,
        /// Why it is not a version.
        source: semver::Error,
    },
    /// A statement on SQLite failed.
    #[error("running a statement")]
    Statement(#[from] rusqlite::Error),
    /// A statement on PostgreSQL failed.
    #[cfg(feature = "postgres")]
    #[error("running a statement")]
    Query(#[from] PostgresError),
    /// The transaction that held this job, maybe with others, could not be committed: nothing of it
    /// is stored.
    #[error("committing")]
    Commit(#[source] Arc<Self>),
    /// The transaction that held this job, with others, failed.
    #[error("writing together with others")]
    Together(#[source] Arc<Self>),
    /// The database was closed while the job waited.
    #[error("the database is closed")]
    Closed,
}

impl DatabaseError {
    /// Returns what it comes from, in plain words and without secrets.
    pub fn cause(&self) -> FaultCause {
        match self {
            #[cfg(feature = "postgres")]
            Self::Connect { source, .. }
            | Self::CreateSchema { source, .. }
            | Self::Query(source) => fault::of_postgres(source),
            Self::AllConnectionsInUse { .. } => FaultCause::AllConnectionsInUse,
            Self::NoAnswer { .. } => FaultCause::NoAnswer,
            Self::Unknown(cause) => cause.cause(),
            Self::Open { source, .. } | Self::Statement(source) => fault::of_sqlite(source),
            Self::Together(cause) | Self::Commit(cause) => cause.cause(),
            Self::Closed => FaultCause::Closed,
            _ => FaultCause::Defect,
        }
    }

    /// Whether the same may succeed if it is tried again, with nothing changed by a person.
    pub fn is_transient(&self) -> bool {
        self.cause().may_pass()
    }

    /// Returns whether what was to be stored may be stored or not, because the answer was lost.
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::Together(cause) | Self::Commit(cause) => cause.is_outcome_unknown(),
            _ => false,
        }
    }

    /// Returns what this error means when it came instead of the answer of a commit.
    #[cfg(feature = "postgres")]
    pub(crate) fn of_commit(self) -> Self {
        match self.cause() {
            FaultCause::NoAnswer | FaultCause::ConnectionLost => Self::Unknown(Box::new(self)),
            _ => self,
        }
    }
}

fn in_words(holder: Option<u32>) -> String {
    match holder {
        Some(pid) if pid == std::process::id() => format!("this process ({pid})"),
        Some(pid) => format!("process {pid}"),
        None => "another process".into(),
    }
}
