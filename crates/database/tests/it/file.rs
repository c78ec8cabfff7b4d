//! One handle writes a file of SQLite, and the log is short while it does and gone when it closes.

use std::fs;
use std::path::{Path, PathBuf};

use cohort_database::{DatabaseError, Migrations, Sqlite, SqliteOptions, Version};
use refinery::Runner;
use rusqlite::Connection;

const MIB: u64 = 1 << 20;

fn open(path: &Path, read_only: bool) -> Result<Sqlite, DatabaseError> {
    let options = SqliteOptions { path: path.into(), readers: 2, read_only, on_commit: None };
    Sqlite::open(options, &Migrations::new(Runner::new(&[]), Version::new(0, 1, 0)))
}

async fn with_table(path: &Path) -> Sqlite {
    let db = open(path, false).expect("opens");
    let create = "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)";
    db.write(move |tx| Ok::<_, DatabaseError>(tx.execute_batch(create)?)).await.expect("creates");
    db
}

/// Writes a mebibyte in a transaction of its own.
async fn write_mebibyte(db: &Sqlite) {
    db.write(|tx| {
        tx.execute("INSERT INTO t (body) VALUES (zeroblob(1 << 20))", [])?;
        Ok::<_, DatabaseError>(())
    })
    .await
    .expect("writes");
}

async fn rows(db: &Sqlite) -> i64 {
    db.read(|tx| {
        Ok::<_, DatabaseError>(tx.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)
    })
    .await
    .expect("reads")
}

fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn log_length(path: &Path) -> u64 {
    fs::metadata(log_of(path)).map_or(0, |log| log.len())
}

#[tokio::test]
async fn a_file_has_one_handle_by_whatever_name_until_that_is_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("real")).expect("made");
    let path = at("real/test.db");
    let held = with_table(&path).await;

    std::os::unix::fs::symlink(at("real"), at("folder")).expect("linked");
    std::os::unix::fs::symlink(&path, at("symbolic.db")).expect("linked");
    fs::hard_link(&path, at("hard.db")).expect("linked");
    let names = [path.clone(), at("folder/test.db"), at("symbolic.db"), at("hard.db")];
    for name in &names {
        let error = open(name, false).map(drop).expect_err("in use");
        assert!(matches!(error, DatabaseError::InUse { .. }), "{error}");
        let holder = format!("this process ({})", std::process::id());
        assert!(error.to_string().contains(&holder), "{error}");
    }
    assert_eq!(rows(&open(&path, true).expect("whoever reads is let in")).await, 0);
    write_mebibyte(&held).await;
    assert_eq!(rows(&held).await, 1, "a refusal leaves the holder what it has");

    drop(held);
    for name in &names {
        assert_eq!(rows(&open(name, false).expect("free again")).await, 1);
    }
}

#[tokio::test]
async fn the_file_alone_holds_everything_once_the_last_handle_is_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, copy) = (folder.path().join("test.db"), folder.path().join("copy.db"));
    let db = with_table(&path).await;
    let other = db.clone();
    write_mebibyte(&db).await;
    drop(db);
    assert!(log_length(&path) >= MIB, "a handle is left, and so is the log");
    drop(other);
    assert_eq!(log_length(&path), 0);
    fs::copy(&path, &copy).expect("copied");
    assert_eq!(rows(&open(&copy, false).expect("opens")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_short_although_one_read_always_overlaps_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("test.db");
    let db = with_table(&path).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let readers = [read_until(&db, &stopped), read_until(&db, &stopped)].map(tokio::spawn);
    let mut longest = 0;
    for _ in 0..80 {
        write_mebibyte(&db).await;
        longest = longest.max(log_length(&path));
    }
    stop.send_replace(true);
    for reader in readers {
        reader.await.expect("no panic");
    }
    assert!((8 * MIB..32 * MIB).contains(&longest), "{longest}");
}

/// Reads one snapshot after another, each for some milliseconds.
fn read_until(
    db: &Sqlite,
    stopped: &tokio::sync::watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    const SLOW: &str = "WITH RECURSIVE n (i) AS (SELECT (SELECT count(*) FROM t) UNION ALL \
                        SELECT i + 1 FROM n LIMIT 20000) SELECT max(i) FROM n";
    let (db, stopped) = (db.clone(), stopped.clone());
    async move {
        while !*stopped.borrow() {
            let read = |tx: &Connection| Ok(tx.query_row(SLOW, [], |row| row.get(0))?);
            let _rows: i64 = db.read::<_, DatabaseError, _>(read).await.expect("reads");
        }
    }
}

#[tokio::test]
async fn a_log_that_one_large_transaction_made_long_is_emptied_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("test.db");
    let db = with_table(&path).await;
    db.write(|tx| {
        for _ in 0..64 {
            tx.execute("INSERT INTO t (body) VALUES (zeroblob(1 << 20))", [])?;
        }
        Ok::<_, DatabaseError>(())
    })
    .await
    .expect("writes");
    // The writer takes the next job only when it is done with the last.
    write_mebibyte(&db).await;
    assert!(log_length(&path) < 32 * MIB, "{}", log_length(&path));
}
