//! Opens the file, and runs jobs on it.

use std::path::Path;
use std::sync::Arc;

use cohort_database::{DatabaseError, Migrations, Sqlite, SqliteOptions, Version};
use cohort_preferences::Clock;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::watch;

use super::stamps::Stamps;
use super::writer::Writer;
use crate::cursor::Incarnation;
use crate::error::{ConfigServiceError, Result};
use crate::store::columns::instant;
use crate::store::identity::Identity;
use crate::store::names::Names;

mod embedded {
    use cohort_database::embed_migrations;

    embed_migrations!("migrations/sqlite");
}

/// Every program so far may use the schema.
pub(crate) fn migrations() -> Migrations {
    Migrations::new(embedded::migrations::runner(), Version::new(0, 1, 0))
}

/// Threads that read: few, as each holds a page cache.
const READERS: usize = 4;

/// A Config Database in one SQLite file.
pub(crate) struct SqliteStore {
    pub(super) db: Sqlite,
    pub(super) identity: Identity,
    pub(super) stamps: Arc<Stamps>,
    names: Arc<Names>,
    /// Counts changes of keys and definitions.
    pub(super) admissions: watch::Sender<u64>,
}

impl SqliteStore {
    /// Opens the file, creating or migrating it unless `read_only`.
    pub(crate) async fn open(path: &Path, clock: Arc<dyn Clock>, read_only: bool) -> Result<Self> {
        let newest = newest_stamp(path, read_only).await?;
        let stamps = Arc::new(Stamps::after(newest, Arc::clone(&clock)));
        let ended = Arc::clone(&stamps);
        let db = open(path, read_only, Some(Box::new(move || ended.ended())))?;
        if !read_only {
            db.write(write_identity).await?;
        }
        let identity = db.read(read_identity).await?;
        Ok(Self { db, identity, stamps, names: Arc::default(), admissions: watch::Sender::new(0) })
    }

    /// Runs a read on one snapshot.
    pub(super) async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Names, Incarnation) -> Result<T> + Send + 'static,
    {
        let names = Arc::clone(&self.names);
        let incarnation = self.identity.incarnation;
        self.db.read(move |connection| job(connection, &names, incarnation)).await
    }

    /// Runs a write job; the names that it learned are kept once it is committed.
    pub(super) async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writer<'_>) -> Result<T> + Send + 'static,
    {
        let (names, stamps) = (Arc::clone(&self.names), Arc::clone(&self.stamps));
        let (result, learned) = self
            .db
            .write(move |tx| {
                let mut writer = Writer::new(tx, &names, &stamps);
                let result = job(&mut writer)?;
                Ok::<_, ConfigServiceError>((result, writer.finish()))
            })
            .await?;
        self.names.keep(learned);
        Ok(result)
    }

    /// Runs a write job that changes keys or definitions.
    pub(super) async fn admit<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writer<'_>) -> Result<T> + Send + 'static,
    {
        let done = self.write(job).await;
        self.admissions.send_modify(|changes| *changes += 1);
        done
    }
}

fn open(path: &Path, read_only: bool, on_commit: Option<Box<dyn Fn() + Send>>) -> Result<Sqlite> {
    let options = SqliteOptions { path: path.into(), readers: READERS, read_only, on_commit };
    Ok(Sqlite::open(options, &migrations())?)
}

async fn newest_stamp(path: &Path, read_only: bool) -> Result<Timestamp> {
    let db = open(path, read_only, None)?;
    let newest = db
        .read(|connection| {
            let newest =
                connection.query_row("SELECT at FROM change ORDER BY id DESC LIMIT 1", [], |row| {
                    row.get("at")
                });
            Ok::<_, DatabaseError>(newest.optional()?)
        })
        .await?;
    newest.map_or(Ok(Timestamp::MIN), instant)
}

fn write_identity(tx: &Connection) -> Result<()> {
    let mut insert =
        tx.prepare("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for (key, value) in Identity::KEYS.iter().zip(Identity::random()) {
        insert.execute((key, value))?;
    }
    Ok(())
}

fn read_identity(connection: &Connection) -> Result<Identity> {
    let value = |key: &str| {
        connection
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get("value"))
            .optional()
    };
    let [incarnation, link_secret] = Identity::KEYS;
    let copied_from: Option<String> = value(Identity::COPIED_FROM)?;
    Identity::read([value(incarnation)?, value(link_secret)?], copied_from.as_deref())
}
