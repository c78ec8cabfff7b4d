//! What one commit holds, and what is left after a failure.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::StatementStatus;

use super::connection::connect;
use super::{Sqlite, SqliteOptions};
use crate::error::DatabaseError;
use crate::fault::FaultCause;
use crate::migrations::Migrations;

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
    db.write(|tx| Ok::<_, DatabaseError>(tx.execute_batch("CREATE TABLE t (v INTEGER UNIQUE)")?))
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
            let inserts =
                tokio::join!(insert(&db, 1, false), insert(&db, 2, false), insert(&db, 3, false));
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
fn whoever_waits_for_a_stuck_writer_is_told_and_what_was_not_begun_is_not_done() {
    let folder = tempfile::tempdir().expect("folder");
    run(async {
        let patient = with_table(folder.path(), None).await;
        let mut impatient = patient.clone();
        impatient.longest_wait = Duration::from_millis(50);
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let stuck = impatient.write(move |_| Ok::<_, DatabaseError>(held.recv().is_ok()));
        let (stuck, behind) = tokio::join!(stuck, insert(&impatient, 1, false));
        let stuck = stuck.expect_err("it hangs");
        assert!(stuck.is_outcome_unknown() && stuck.cause() == FaultCause::NoAnswer, "{stuck:?}");
        let behind = behind.expect_err("it waits behind");
        assert!(!behind.is_outcome_unknown() && behind.is_transient(), "{behind:?}");

        hold.send(()).expect("the writer waits");
        insert(&patient, 2, false).await.expect("the writer goes on");
        assert_eq!(values(&patient).await, [2], "nothing is stored of which that was said");
    });
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
