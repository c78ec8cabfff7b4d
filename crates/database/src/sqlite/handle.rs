//! The handle that callers hold: opens the file, and sends jobs to the threads.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connection::connect;
use super::migrate;
use super::reader::{self, ReadJob, on_snapshot};
use super::writer::{self, Pending, Turn, WriteJob};
use crate::error::DatabaseError;
use crate::migrations::Migrations;
use crate::real_time::within_real_time;

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
    /// The file, for messages.
    name: Arc<str>,
    /// How long a caller waits for a job.
    pub(super) longest_wait: Duration,
}

/// How long a caller waits for a job (F6). Jobs take milliseconds, those of upkeep a second or two:
/// whoever waits so long waits for a thread that is stuck, in a disk that does not answer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

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
        let name = path.display().to_string().into();
        Ok(Self { writer, readers, name, longest_wait: LONGEST_WAIT })
    }

    /// Runs a job in a transaction, maybe together with others that wait, and returns once it is on
    /// disk.
    ///
    /// # Errors
    /// The job's own, which undoes this job alone; or that the transaction could not be committed;
    /// or that the writer did not get to it in time, when it is not done any more; or that the disk
    /// did not answer in time, and then it is not known whether it is stored.
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let turn = Turn::default();
        let pending = Box::new(Pending::new(job, answer, turn.clone()));
        self.writer.send(pending).map_err(|_closed| DatabaseError::Closed)?;
        match within_real_time(self.longest_wait, answered).await {
            Some(answered) => answered.map_err(|_closed| DatabaseError::Closed)?,
            None if turn.take() => Err(self.no_answer().into()),
            None => Err(DatabaseError::Unknown(Box::new(self.no_answer())).into()),
        }
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
        match within_real_time(self.longest_wait, answered).await {
            Some(answered) => answered.map_err(|_closed| DatabaseError::Closed)?,
            None => Err(self.no_answer().into()),
        }
    }

    fn no_answer(&self) -> DatabaseError {
        DatabaseError::NoAnswer { database: self.name.to_string(), waited: self.longest_wait }
    }
}
