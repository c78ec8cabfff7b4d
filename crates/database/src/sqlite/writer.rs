//! The writer thread: jobs that wait together share one commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::connection::run_cached;
use super::log::{self, WriteAheadLog};
use super::owner::{Ownership, mark_thread};
use super::reader::Readers;
use crate::error::DatabaseError;

/// The most jobs that share one transaction: bounds how long the first of them waits for the last.
const MOST_JOBS_A_COMMIT: usize = 1_000;

/// A job on its way through the writer: first run, later told whether the transaction was
/// committed.
pub(super) trait WriteJob: Send {
    fn run(&mut self, connection: &Connection);
    fn answer(self: Box<Self>, committed: Result<(), &Arc<DatabaseError>>);
}

/// How long the end waits for the readers, whose connections keep the log from being emptied.
const READERS_LIMIT: Duration = Duration::from_secs(5);

/// What the thread works with.
pub(super) struct Writer {
    pub(super) connection: Connection,
    /// `None` if the file is only read: then nobody owns it.
    pub(super) owned: Option<(Ownership, WriteAheadLog)>,
    pub(super) readers: Readers,
    pub(super) on_commit: Option<Box<dyn Fn() + Send>>,
}

impl Writer {
    /// Starts the thread, which ends when the sender is dropped.
    pub(super) fn start(mut self) -> Sender<Box<dyn WriteJob>> {
        let (jobs, queue) = channel();
        thread::spawn(move || {
            mark_thread();
            write_loop(&mut self, &queue);
            self.close();
        });
        jobs
    }

    /// Empties the log once the readers are gone, and gives the file up when it is closed.
    fn close(self) {
        let Self { connection, owned, readers, on_commit: _ } = self;
        let _readers_are_gone = readers.recv_timeout(READERS_LIMIT);
        let emptied = owned.as_ref().map(|_owned| log::empty(&connection));
        if let Some(Err(error)) = emptied {
            tracing::warn!(%error, "the database's log could not be emptied");
        }
        drop(connection);
        drop(owned);
    }
}

fn write_loop(writer: &mut Writer, queue: &Receiver<Box<dyn WriteJob>>) {
    let Writer { connection, owned, on_commit, .. } = writer;
    while let Ok(first) = queue.recv() {
        let (jobs, committed) = commit_together(connection, first, queue);
        if let Some(on_commit) = on_commit {
            on_commit();
        }
        for job in jobs {
            job.answer(committed.as_ref().copied());
        }
        if let Some((_, log)) = owned {
            log.after_commit(connection);
        }
    }
}

/// The jobs of one transaction, and whether it was committed.
type CommittedTogether = (Vec<Box<dyn WriteJob>>, Result<(), Arc<DatabaseError>>);

/// Runs the job and those that wait behind it in one transaction.
fn commit_together(
    connection: &Connection,
    first: Box<dyn WriteJob>,
    queue: &Receiver<Box<dyn WriteJob>>,
) -> CommittedTogether {
    let mut jobs = vec![first];
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        return (jobs, Err(Arc::new(error.into())));
    }
    let mut next = 0;
    while next < jobs.len() {
        jobs[next].run(connection);
        next += 1;
        if jobs.len() < MOST_JOBS_A_COMMIT {
            jobs.extend(queue.try_recv());
        }
    }
    (jobs, commit(connection).map_err(Arc::new))
}

fn commit(connection: &Connection) -> Result<(), DatabaseError> {
    let committed = connection.execute_batch("COMMIT").map_err(DatabaseError::from);
    // Some failures end the transaction, and others leave it open for the next jobs to fall into.
    if committed.is_err()
        && !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "a transaction could neither be committed nor be rolled back");
    }
    committed
}

/// A job with the place where its caller waits.
pub(super) struct Pending<T, E, F> {
    job: Option<F>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
    turn: Turn,
}

/// Whether a job is done, or given up because its turn did not come in time: whoever takes the turn
/// first decides, the writer or the caller.
#[derive(Clone, Default)]
pub(super) struct Turn(Arc<AtomicBool>);

impl Turn {
    /// Takes the turn; returns whether nobody had taken it before.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }
}

impl<T, E, F> Pending<T, E, F> {
    pub(super) fn new(job: F, answer: oneshot::Sender<Result<T, E>>, turn: Turn) -> Self {
        Self { job: Some(job), result: None, answer, turn }
    }
}

impl<T, E, F> WriteJob for Pending<T, E, F>
where
    T: Send,
    E: From<DatabaseError> + Send,
    F: FnOnce(&Connection) -> Result<T, E> + Send,
{
    fn run(&mut self, connection: &Connection) {
        if self.turn.take() {
            self.result = self.job.take().map(|job| in_savepoint(connection, job));
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), &Arc<DatabaseError>>) {
        let result = match (committed, self.result) {
            (Ok(()), Some(result)) | (Err(_), Some(result @ Err(_))) => result,
            (Ok(()), None) => Err(DatabaseError::Closed.into()),
            (Err(error), _) => Err(DatabaseError::Commit(Arc::clone(error)).into()),
        };
        // A caller that has gone away needs no answer.
        let _gone = self.answer.send(result);
    }
}

fn in_savepoint<T, E: From<DatabaseError>>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    run_cached(connection, "SAVEPOINT job")?;
    let result = job(connection);
    if result.is_err() {
        run_cached(connection, "ROLLBACK TO job")?;
    }
    run_cached(connection, "RELEASE job")?;
    result
}
