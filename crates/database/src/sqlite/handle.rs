//! The handle that callers hold: opens the file, and sends jobs to the threads.

use std::path::PathBuf;
use std::sync::mpsc::Sender;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connection::connect;
use super::migrate;
use super::reader::{self, ReadJob, on_snapshot};
use super::writer::{self, Pending, WriteJob};
use crate::error::DatabaseError;
use crate::migrations::Migrations;

/// How to open an embedded database.
pub struct SqliteOptions {
    /// The file; created if it is not there.
    pub path: PathBuf,
    /// Reader threads, at least 1.
    pub readers: usize,
    /// Whether every write is refused and the file must exist.
    pub read_only: bool,
    /// Called on the writer thread after each transaction has ended, before its jobs get their
    /// answers.
    pub on_commit: Option<Box<dyn Fn() + Send>>,
}

/// A handle to an open database; cheap to clone. The threads end when the last handle is dropped.
#[derive(Clone)]
pub struct Sqlite {
    writer: Sender<Box<dyn WriteJob>>,
    readers: Sender<ReadJob>,
}

impl Sqlite {
    /// Opens the file and, unless it is read-only, brings its schema up to date.
    ///
    /// # Errors
    /// Among others [`DatabaseError::ProgramTooOld`], when a newer program has left the schema
    /// unfit for this one.
    pub fn open(options: SqliteOptions, migrations: &Migrations) -> Result<Self, DatabaseError> {
        let SqliteOptions { path, readers, read_only, on_commit } = options;
        if read_only {
            migrate::check(&path, migrations)?;
        } else {
            migrate::run(&path, migrations)?;
        }
        let readers = reader::start(&path, readers.max(1))?;
        let writer = writer::start(connect(&path, read_only)?, on_commit);
        Ok(Self { writer, readers })
    }

    /// Runs a job in a transaction, maybe together with others that wait, and returns once it is on
    /// disk.
    ///
    /// # Errors
    /// The job's own, which undoes this job alone; or that the transaction could not be committed.
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let pending = Box::new(Pending::new(job, answer));
        self.writer.send(pending).map_err(|_closed| DatabaseError::Closed)?;
        answered.await.map_err(|_closed| DatabaseError::Closed)?
    }

    /// Runs a job on one snapshot of the database.
    pub async fn read<T, E, F>(&self, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let run = move |connection: &Connection| {
            // A caller that has gone away needs no answer.
            let _gone = answer.send(on_snapshot(connection, job));
        };
        self.readers.send(Box::new(run)).map_err(|_closed| DatabaseError::Closed)?;
        answered.await.map_err(|_closed| DatabaseError::Closed)?
    }
}
