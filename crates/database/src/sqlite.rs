//! An embedded SQLite database: one writer thread, a few reader threads.
//!
//! ```text
//! write(job) ─┐                 ┌ BEGIN
//! write(job) ─┼─► writer thread ┤ job, job, job …   each in a savepoint of its own
//! write(job) ─┘                 └ COMMIT, one fsync ─► on_commit ─► all answers
//! read(job)  ───► reader threads, each job on one snapshot (WAL)
//! ```
//!
//! A job that fails undoes itself only. A commit that fails undoes all jobs of its transaction, and
//! each of them is told. A process that is killed loses only jobs that were not answered: the file
//! is in WAL mode with `synchronous = FULL`, so an answer means that the disk has said so.
//!
//! Not done here: retrying. Nobody else writes to the file, so a busy database is a fault to
//! report.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tokio::sync::oneshot;

use crate::error::DatabaseError;
use crate::migrations::{CREATE_RECORD, Migrations, READ_RECORD};

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

/// The most jobs that share one transaction: bounds how long the first of them waits for the last.
const MOST_JOBS_A_COMMIT: usize = 1_000;

/// Pages of 4 KiB in the log until they are copied into the file, each once: an import that
/// scatters over an index writes the same pages again in each transaction.
const PAGES_A_CHECKPOINT: u32 = 32_000;

/// Statements kept prepared a connection.
const PREPARED_STATEMENTS: usize = 128;

type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// A job on its way through the writer: first run, later told whether the transaction was
/// committed.
trait WriteJob: Send {
    fn run(&mut self, connection: &Connection);
    fn answer(self: Box<Self>, committed: Result<(), &DatabaseError>);
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
            check(&path, migrations)?;
        } else {
            migrate(&path, migrations)?;
        }
        let (reader_jobs, reader_queue) = channel::<ReadJob>();
        let reader_queue = Arc::new(Mutex::new(reader_queue));
        for _ in 0..readers.max(1) {
            let connection = connect(&path, true)?;
            let queue = Arc::clone(&reader_queue);
            thread::spawn(move || read_loop(&connection, &queue));
        }
        let (writer, writer_queue) = channel();
        let connection = connect(&path, read_only)?;
        thread::spawn(move || write_loop(&connection, &writer_queue, on_commit.as_deref()));
        Ok(Self { writer, readers: reader_jobs })
    }

    /// Runs a job in a transaction, maybe together with others that wait, and answers once it is on
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
        let pending = Pending { job: Some(job), result: None, answer };
        self.writer.send(Box::new(pending)).map_err(|_closed| DatabaseError::Closed)?;
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

fn migrate(path: &Path, migrations: &Migrations) -> Result<(), DatabaseError> {
    let database = path.display().to_string();
    let mut connection = connect(path, false)?;
    connection.execute_batch(CREATE_RECORD)?;

    let recorded = record(&connection)?;
    migrations.check(recorded.as_deref(), &database)?;
    if let Some(oldest) = migrations.raised(recorded.as_deref(), &database)? {
        connection.execute("INSERT OR REPLACE INTO compatibility VALUES (1, ?1)", [oldest])?;
    }
    let runner = migrations.runner(newest_applied(&connection)?);
    runner
        .run(&mut connection)
        .map_err(|source| DatabaseError::Migrate { database, source: Box::new(source) })?;
    Ok(())
}

/// Whether the program may use the file as it is.
fn check(path: &Path, migrations: &Migrations) -> Result<(), DatabaseError> {
    let connection = connect(path, true)?;
    let recorded =
        if connection.table_exists(None, "compatibility")? { record(&connection)? } else { None };
    migrations.check(recorded.as_deref(), &path.display().to_string())
}

fn record(connection: &Connection) -> Result<Option<String>, DatabaseError> {
    Ok(connection.query_row(READ_RECORD, [], |row| row.get(0)).optional()?)
}

fn newest_applied(connection: &Connection) -> Result<Option<i32>, DatabaseError> {
    if !connection.table_exists(None, "refinery_schema_history")? {
        return Ok(None);
    }
    Ok(connection
        .query_row("SELECT max(version) FROM refinery_schema_history", [], |row| row.get(0))?)
}

fn connect(path: &Path, read_only: bool) -> Result<Connection, DatabaseError> {
    let access = if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    };
    let opened = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|connection| {
            if !read_only {
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.pragma_update(None, "synchronous", "FULL")?;
                connection.pragma_update(None, "wal_autocheckpoint", PAGES_A_CHECKPOINT)?;
            }
            connection.pragma_update(None, "cache_size", -65_536)?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
            // Else SQLite plans by the values that are bound, and prepares a statement anew
            // whenever those of a cached one are cleared.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            Ok(connection)
        });
    opened.map_err(|source| DatabaseError::Open { path: path.into(), source })
}

fn read_loop(connection: &Connection, queue: &Mutex<Receiver<ReadJob>>) {
    loop {
        let next = queue.lock().expect("a reader never panics while it waits for a job").recv();
        match next {
            Ok(job) => job(connection),
            Err(_all_handles_dropped) => return,
        }
    }
}

fn on_snapshot<T, E: From<DatabaseError>>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    run_cached(connection, "BEGIN")?;
    let result = job(connection);
    run_cached(connection, "COMMIT")?;
    result
}

fn write_loop(
    connection: &Connection,
    queue: &Receiver<Box<dyn WriteJob>>,
    on_commit: Option<&(dyn Fn() + Send)>,
) {
    while let Ok(first) = queue.recv() {
        let (jobs, committed) = commit_together(connection, first, queue);
        if let Some(on_commit) = on_commit {
            on_commit();
        }
        for job in jobs {
            job.answer(committed.as_ref().copied());
        }
    }
}

/// Runs the job and those that wait behind it in one transaction.
fn commit_together(
    connection: &Connection,
    first: Box<dyn WriteJob>,
    queue: &Receiver<Box<dyn WriteJob>>,
) -> (Vec<Box<dyn WriteJob>>, Result<(), DatabaseError>) {
    let mut jobs = vec![first];
    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        return (jobs, Err(error.into()));
    }
    let mut next = 0;
    while next < jobs.len() {
        jobs[next].run(connection);
        next += 1;
        if jobs.len() < MOST_JOBS_A_COMMIT {
            jobs.extend(queue.try_recv());
        }
    }
    let committed = connection.execute_batch("COMMIT").map_err(DatabaseError::from);
    if committed.is_err()
        && !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error,
            "a transaction that could not be committed could not be rolled back either");
    }
    (jobs, committed)
}

struct Pending<T, E, F> {
    job: Option<F>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> WriteJob for Pending<T, E, F>
where
    T: Send,
    E: From<DatabaseError> + Send,
    F: FnOnce(&Connection) -> Result<T, E> + Send,
{
    fn run(&mut self, connection: &Connection) {
        self.result = self.job.take().map(|job| in_savepoint(connection, job));
    }

    fn answer(self: Box<Self>, committed: Result<(), &DatabaseError>) {
        let result = match (committed, self.result) {
            (Ok(()), Some(result)) | (Err(_), Some(result @ Err(_))) => result,
            (Ok(()), None) => Err(DatabaseError::Closed.into()),
            (Err(error), _) => Err(DatabaseError::Commit(error.to_string()).into()),
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

fn run_cached(connection: &Connection, statement: &str) -> Result<(), DatabaseError> {
    connection.prepare_cached(statement)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rusqlite::StatementStatus;

    use super::*;

    fn open(folder: &Path, on_commit: Option<Box<dyn Fn() + Send>>) -> Sqlite {
        let options =
            SqliteOptions { path: folder.join("test.db"), readers: 2, read_only: false, on_commit };
        Sqlite::open(options, &no_migrations()).expect("opens")
    }

    fn no_migrations() -> Migrations {
        Migrations::new(refinery::Runner::new(&[]), semver::Version::new(0, 1, 0))
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(future)
    }

    async fn insert(db: &Sqlite, value: i64, fail: bool) -> Result<(), DatabaseError> {
        db.write(move |tx| {
            tx.execute("INSERT INTO t VALUES (?1)", [value])?;
            if fail { Err(DatabaseError::Closed) } else { Ok(()) }
        })
        .await
    }

    async fn values(db: &Sqlite) -> Vec<i64> {
        db.read(|tx| {
            let mut rows = tx.prepare("SELECT v FROM t ORDER BY v")?;
            let values = rows.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
            Ok::<_, DatabaseError>(values)
        })
        .await
        .expect("reads")
    }

    async fn with_table(folder: &Path, on_commit: Option<Box<dyn Fn() + Send>>) -> Sqlite {
        let db = open(folder, on_commit);
        db.write(|tx| {
            Ok::<_, DatabaseError>(tx.execute_batch("CREATE TABLE t (v INTEGER UNIQUE)")?)
        })
        .await
        .expect("creates");
        db
    }

    #[test]
    fn a_job_that_fails_undoes_itself_and_no_other() {
        let folder = tempfile::tempdir().expect("folder");
        run(async {
            let db = with_table(folder.path(), None).await;
            let (a, b, c) =
                tokio::join!(insert(&db, 1, false), insert(&db, 2, true), insert(&db, 3, false));
            assert!(a.is_ok() && b.is_err() && c.is_ok());
            assert_eq!(values(&db).await, [1, 3]);
        });
    }

    #[test]
    fn jobs_that_wait_together_share_a_commit() {
        let folder = tempfile::tempdir().expect("folder");
        let commits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&commits);
        run(async {
            let db = with_table(
                folder.path(),
                Some(Box::new(move || _ = counted.fetch_add(1, Ordering::SeqCst))),
            )
            .await;
            let (hold, held) = std::sync::mpsc::channel::<()>();
            let blocker = db.write(move |_| Ok::<_, DatabaseError>(held.recv().is_ok()));
            let waiting = async {
                let inserts = tokio::join!(
                    insert(&db, 1, false),
                    insert(&db, 2, false),
                    insert(&db, 3, false)
                );
                assert!(inserts.0.is_ok() && inserts.1.is_ok() && inserts.2.is_ok());
            };
            let release = async { hold.send(()).expect("the blocker waits") };
            let (blocked, (), ()) = tokio::join!(blocker, waiting, release);
            assert!(blocked.expect("blocker"));
        });
        assert_eq!(
            commits.load(Ordering::SeqCst),
            2,
            "one for the table, one for the four that waited"
        );
    }

    #[test]
    fn what_was_answered_is_there_after_reopening() {
        let folder = tempfile::tempdir().expect("folder");
        run(async {
            let db = with_table(folder.path(), None).await;
            insert(&db, 7, false).await.expect("inserts");
            drop(db);
            assert_eq!(values(&open(folder.path(), None)).await, [7]);
        });
    }

    #[test]
    fn a_cached_statement_is_prepared_once() {
        let folder = tempfile::tempdir().expect("folder");
        run(async { drop(with_table(folder.path(), None).await) });
        let connection = connect(&folder.path().join("test.db"), true).expect("opens");
        // Both a limit and a constant of a join would have SQLite look at the values.
        let sql = "SELECT a.v FROM t a JOIN t b ON b.v = a.v WHERE a.v = ?1 LIMIT ?2";
        for value in 0..3 {
            let mut statement = connection.prepare_cached(sql).expect("prepares");
            assert!(!statement.exists([value, 1]).expect("reads"));
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }

    #[test]
    fn a_read_only_handle_refuses_writes() {
        let folder = tempfile::tempdir().expect("folder");
        run(async {
            with_table(folder.path(), None).await;
            let options = SqliteOptions {
                path: folder.path().join("test.db"),
                readers: 1,
                read_only: true,
                on_commit: None,
            };
            let db = Sqlite::open(options, &no_migrations()).expect("opens");
            assert!(insert(&db, 1, false).await.is_err());
            assert!(values(&db).await.is_empty());
        });
    }
}
