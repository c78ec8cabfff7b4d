//! The handle that callers hold: opens the file, and sends jobs to the threads.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connection::connect;
use super::log::WriteAheadLog;
use super::migrate;
use super::owner::{Closing, Ownership};
use super::reader::{self, ReadJob, on_snapshot};
use super::room;
use super::writer::{Pending, Turn, WriteJob, Writer};
use crate::disk_usage::DiskUsage;
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

/// A handle to an open database; cheap to clone. When the last one is dropped, the log is emptied
/// and the file is closed.
#[derive(Clone)]
pub struct Sqlite {
    threads: Arc<Threads>,
    /// How long a caller waits for a job.
    pub(super) longest_wait: Duration,
}

/// The ways to the threads. They are dropped first, which ends the threads.
struct Threads {
    path: PathBuf,
    writer: Sender<Box<dyn WriteJob>>,
    readers: Sender<ReadJob>,
    _closing: Option<Closing>,
}

/// How long a caller waits for a job (F6). Jobs take milliseconds, those of upkeep a second or two:
/// whoever waits so long waits for a thread that is stuck, in a disk that does not answer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Sqlite {
    /// Opens the file and, unless it is read-only, takes it for this handle alone and brings its
    /// schema up to date.
    ///
    /// # Errors
    /// Among others [`DatabaseError::InUse`], when another handle has the file, by whatever name;
    /// and [`DatabaseError::ProgramTooOld`], when a newer program has left the schema unfit for
    /// this one.
    pub fn open(options: SqliteOptions, migrations: &Migrations) -> Result<Self, DatabaseError> {
        let SqliteOptions { path, readers, read_only, on_commit } = options;
        if read_only {
            migrate::check(&path, migrations)?;
            let (readers, ended) = reader::start(&path, readers.max(1))?;
            let connection = connect(&path, true)?;
            let writer = Writer { connection, owned: None, readers: ended, on_commit };
            return Ok(Self::of(path, writer, readers, None));
        }
        let ownership = Ownership::take(&path)?;
        migrate::run(&path, migrations)?;
        let log = WriteAheadLog::of(&path)
            .map_err(|source| DatabaseError::Own { path: path.clone(), source })?;
        let (readers, ended) = reader::start(&path, readers.max(1))?;
        let connection = connect(&path, false)?;
        let closing = ownership.closing();
        let writer =
            Writer { connection, owned: Some((ownership, log)), readers: ended, on_commit };
        Ok(Self::of(path, writer, readers, Some(closing)))
    }

    fn of(
        path: PathBuf,
        writer: Writer,
        readers: Sender<ReadJob>,
        closing: Option<Closing>,
    ) -> Self {
        let threads = Threads { path, writer: writer.start(), readers, _closing: closing };
        Self { threads: Arc::new(threads), longest_wait: LONGEST_WAIT }
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
        let turn = Turn::default();
        let pending = Box::new(Pending::new(job, answer, turn.clone()));
        self.threads.writer.send(pending).map_err(|_closed| DatabaseError::Closed)?;
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
        self.threads.readers.send(Box::new(run)).map_err(|_closed| DatabaseError::Closed)?;
        match within_real_time(self.longest_wait, answered).await {
            Some(answered) => answered.map_err(|_closed| DatabaseError::Closed)?,
            None => Err(self.no_answer().into()),
        }
    }

    fn no_answer(&self) -> DatabaseError {
        let database = self.threads.path.display().to_string();
        DatabaseError::NoAnswer { database, waited: self.longest_wait }
    }

    /// Returns how much room the file and its log take, and how much is left on their disk (F13).
    pub async fn disk_usage(&self) -> Result<DiskUsage, DatabaseError> {
        let path = self.threads.path.clone();
        self.read(move |_snapshot| {
            room::usage(&path).map_err(|source| DatabaseError::DiskUsage { path, source })
        })
        .await
    }
}
