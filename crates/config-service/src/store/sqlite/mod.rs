//! The store on SQLite: one writer thread, a few readers, instants as microseconds.
//!
//! The writer takes its stamp inside the transaction and transactions end in stamp order, so the id of a change row
//! alone is the feed's cursor. `names` keeps what never changes once committed: numbers of features and groups.

mod feed;
mod keys;
mod members;
mod names;
mod read;
pub(crate) mod stamps;
mod write;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cohort_database::{DatabaseError, Sqlite, SqliteOptions};
use cohort_preferences::{BatchGetRequest, BatchGetResponse, ChangePage, Clock, FeatureType, GroupList, TenantId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::watch;
use uuid::Uuid;

use self::names::Names;
use self::stamps::Stamps;
use crate::cursor::Incarnation;
use crate::error::ConfigServiceError;
use crate::key::{ApiKey, KeyHash};
use crate::store::{Current, Edit, Edited, ImportRow, MemberList, MembersQuery, Result, Store, Tenant};

mod embedded {
    use cohort_database::embed_migrations;

    embed_migrations!("migrations/sqlite");
}

/// Threads that read: few, as each holds a page cache.
const READERS: usize = 4;

/// A Config Database in one SQLite file.
pub(crate) struct SqliteStore {
    db: Sqlite,
    incarnation: Incarnation,
    stamps: Arc<Stamps>,
    names: Arc<Names>,
}

impl SqliteStore {
    /// Opens the file, creating or migrating it unless `read_only`.
    pub(crate) async fn open(path: &Path, clock: Arc<dyn Clock>, read_only: bool) -> Result<Self> {
        let newest = newest_stamp(path, read_only).await?;
        let stamps = Arc::new(Stamps::after(newest, Arc::clone(&clock)));
        let ended = Arc::clone(&stamps);
        let db = open(path, read_only, Some(Box::new(move || ended.ended())))?;
        if !read_only {
            db.write(write_incarnation).await?;
        }
        let incarnation = db.read(read_incarnation).await?;
        Ok(Self { db, incarnation, stamps, names: Arc::default() })
    }

    /// Runs a read on one snapshot.
    async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Names, Incarnation) -> Result<T> + Send + 'static,
    {
        let names = Arc::clone(&self.names);
        let incarnation = self.incarnation;
        self.db.read(move |connection| job(connection, &names, incarnation)).await
    }

    /// Runs a write job; the names that it learned are kept once it is committed.
    async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut write::Writer<'_>) -> Result<T> + Send + 'static,
    {
        let (names, stamps) = (Arc::clone(&self.names), Arc::clone(&self.stamps));
        let (result, learned) = self
            .db
            .write(move |tx| {
                let mut writer = write::Writer::new(tx, &names, &stamps);
                let result = job(&mut writer)?;
                Ok::<_, ConfigServiceError>((result, writer.finish()?))
            })
            .await?;
        self.names.keep(learned);
        Ok(result)
    }
}

fn open(path: &Path, read_only: bool, on_commit: Option<Box<dyn Fn() + Send>>) -> Result<Sqlite> {
    let options = SqliteOptions { path: path.into(), readers: READERS, read_only, on_commit };
    Ok(Sqlite::open(options, &embedded::migrations::runner())?)
}

async fn newest_stamp(path: &Path, read_only: bool) -> Result<Timestamp> {
    let db = open(path, read_only, None)?;
    let newest = db
        .read(|connection| {
            let newest = connection.query_row("SELECT at FROM change ORDER BY id DESC LIMIT 1", [], |row| row.get(0));
            Ok::<_, DatabaseError>(newest.optional()?)
        })
        .await?;
    newest.map_or(Ok(Timestamp::MIN), instant)
}

fn write_incarnation(tx: &Connection) -> Result<()> {
    let id = Uuid::new_v4().to_string();
    tx.execute("INSERT INTO meta (key, value) VALUES ('incarnation', ?1) ON CONFLICT DO NOTHING", [id])?;
    Ok(())
}

fn read_incarnation(connection: &Connection) -> Result<Incarnation> {
    let id: String = connection.query_row("SELECT value FROM meta WHERE key = 'incarnation'", [], |row| row.get(0))?;
    let id = id.parse().map_err(|_malformed| ConfigServiceError::Unreadable(format!("the incarnation {id:?}")))?;
    Ok(Incarnation::of(id))
}

/// The instant of a column.
fn instant(micros: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|_out_of_range| ConfigServiceError::Unreadable(format!("the instant {micros}")))
}

#[async_trait]
impl Store for SqliteStore {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.stamps.commits()
    }

    async fn edit(&self, edit: Edit) -> Result<Edited> {
        self.write(|writer| write::edit(writer, edit)).await
    }

    async fn import(&self, rows: Vec<ImportRow>, actor: String) -> Result<Vec<bool>> {
        self.write(move |writer| write::import(writer, &rows, &actor)).await
    }

    async fn preference(&self, tenant: &TenantId, feature: &FeatureType) -> Result<Option<Current>> {
        let (tenant, feature) = (tenant.clone(), feature.clone());
        self.read(move |db, _, _| read::preference(db, &tenant, &feature)).await
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>> {
        let tenant = tenant.clone();
        self.read(move |db, _, _| read::tenant(db, &tenant)).await
    }

    async fn preferences(&self, request: BatchGetRequest) -> Result<BatchGetResponse> {
        self.read(move |db, _, incarnation| read::preferences(db, request, incarnation)).await
    }

    async fn groups(&self, feature: &FeatureType, emptied_after: Timestamp) -> Result<GroupList> {
        let feature = feature.clone();
        let complete_until = self.stamps.settled_until();
        self.read(move |db, _, incarnation| {
            Ok(GroupList {
                groups: read::groups(db, &feature, emptied_after)?,
                feature_type: feature,
                position: incarnation.position(feed::newest(db)?),
                complete_until,
            })
        })
        .await
    }

    async fn members(&self, query: MembersQuery) -> Result<MemberList> {
        self.stamps.settle(query.as_of).await?;
        self.read(move |db, names, incarnation| members::list(db, names, &query, incarnation)).await
    }

    async fn newest_change(&self) -> Result<i64> {
        self.read(|db, _, _| feed::newest(db)).await
    }

    async fn changes(&self, after: i64, limit: usize) -> Result<ChangePage> {
        let settled = self.stamps.settled_until();
        self.read(move |db, names, incarnation| feed::page(db, names, incarnation, after, limit, settled)).await
    }

    async fn key(&self, hash: KeyHash) -> Result<Option<ApiKey>> {
        self.read(move |db, _, _| keys::find(db, &hash)).await
    }

    async fn add_key(&self, hash: KeyHash, key: ApiKey, only_first: bool) -> Result<bool> {
        self.write(move |writer| keys::add(writer, &hash, &key, only_first)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{self, Hand};

    async fn store(folder: &Path, clock: &Arc<Hand>) -> SqliteStore {
        SqliteStore::open(&folder.join("config.db"), clock.clone(), false).await.expect("opens")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite_keeps_what_a_store_promises() {
        for promise in conformance::ALL {
            let folder = tempfile::tempdir().expect("folder");
            let clock = Hand::at("2026-12-01T00:00:00Z");
            promise(Arc::new(store(folder.path(), &clock).await), clock).await;
        }
    }

    #[tokio::test]
    async fn stamps_and_incarnation_go_on_after_a_restart() {
        let folder = tempfile::tempdir().expect("folder");
        let clock = Hand::at("2026-12-01T00:00:00Z");
        let before = store(folder.path(), &clock).await;
        let first = conformance::put(&before, "ann", r#"{"frequency":"daily"}"#).await;
        let incarnation = before.incarnation();
        drop(before);
        clock.set("2026-11-01T00:00:00Z");
        let after = store(folder.path(), &clock).await;
        let second = conformance::put(&after, "ann", r#"{"frequency":"weekly"}"#).await;
        assert!(second.at > first.at, "the clock went back, the stamps did not");
        assert_eq!(after.incarnation(), incarnation);
    }
}
