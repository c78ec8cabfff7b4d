//! The store on SQLite: one writer thread, a few readers, instants as microseconds.
//!
//! The writer takes its stamp inside the transaction and transactions end in stamp order, so the id
//! of a change row alone is the feed's cursor. `names` keeps what never changes once committed:
//! numbers of features and groups.

mod definitions;
mod feed;
mod history;
mod keys;
mod members;
mod names;
mod read;
mod stamps;
mod tenants;
mod upkeep;
mod write;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cohort_database::{DatabaseError, Migrations, Sqlite, SqliteOptions, Version};
use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, ChangePage, Clock, FeatureType, Labels, TenantId,
    TenantTimezone,
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::watch;

use self::stamps::Stamps;
use crate::cursor::Incarnation;
use crate::error::ConfigServiceError;
use crate::key::{ApiKey, KeyHash, KeyUse, NewKey};
use crate::registry::{Definition, Registration};
use crate::store::columns::instant;
use crate::store::drift::put_right;
use crate::store::edit::{AsStated, Edit, Edited, Erased, ImportRow, Tenant};
use crate::store::identity::Identity;
use crate::store::list::{
    ChosenPage, ChosenQuery, Drift, Forgotten, GroupPage, GroupsQuery, HistoryEntry, ListsQuery,
    MemberList, MembersQuery, MovedList, MovedQuery, StoredPreference, StoredTenant, TenantSummary,
    TenantsQuery, WholeLists,
};
use crate::store::names::Names;
use crate::store::{Result, Store};

mod embedded {
    use cohort_database::embed_migrations;

    embed_migrations!("migrations/sqlite");
}

/// Every program so far may use the schema.
fn migrations() -> Migrations {
    Migrations::new(embedded::migrations::runner(), Version::new(0, 1, 0))
}

/// Threads that read: few, as each holds a page cache.
const READERS: usize = 4;

/// A Config Database in one SQLite file.
pub(crate) struct SqliteStore {
    db: Sqlite,
    identity: Identity,
    stamps: Arc<Stamps>,
    names: Arc<Names>,
    /// Counts changes of keys and definitions.
    admissions: watch::Sender<u64>,
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
    async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Names, Incarnation) -> Result<T> + Send + 'static,
    {
        let names = Arc::clone(&self.names);
        let incarnation = self.identity.incarnation;
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
                Ok::<_, ConfigServiceError>((result, writer.finish()))
            })
            .await?;
        self.names.keep(learned);
        Ok(result)
    }

    /// Runs a write job that changes keys or definitions.
    async fn admit<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut write::Writer<'_>) -> Result<T> + Send + 'static,
    {
        let done = self.write(job).await;
        self.admissions.send_modify(|changes| *changes += 1);
        done
    }

    async fn miscounted(&self, mut drift: Drift) -> Result<Drift> {
        self.read(move |db, _, _| {
            upkeep::miscounted(db, &mut drift)?;
            Ok(drift)
        })
        .await
    }

    async fn misplaced(&self, repair: bool, drift: &mut Drift) -> Result<()> {
        let mut after = Some(0);
        while let Some(behind) = after {
            let mut looked = std::mem::take(drift);
            let (misplaced, next, looked) = self
                .read(move |db, _, _| {
                    let (misplaced, next) = upkeep::misplaced(db, behind, &mut looked)?;
                    Ok((misplaced, next, looked))
                })
                .await?;
            (*drift, after) = (looked, next);
            for (tenant, feature) in misplaced.into_iter().filter(|_| repair) {
                self.write(move |writer| write::edit(writer, put_right(tenant, feature))).await?;
            }
        }
        Ok(())
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
                    row.get(0)
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
        connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
    };
    let [incarnation, link_secret] = Identity::KEYS;
    Identity::read([value(incarnation)?, value(link_secret)?])
}

#[async_trait]
impl Store for SqliteStore {
    fn incarnation(&self) -> Incarnation {
        self.identity.incarnation
    }

    fn link_secret(&self) -> [u8; 32] {
        self.identity.link_secret
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.stamps.commits()
    }

    fn admissions(&self) -> watch::Receiver<u64> {
        self.admissions.subscribe()
    }

    async fn edit(&self, edit: Edit) -> Result<Edited> {
        self.write(|writer| write::edit(writer, edit)).await
    }

    async fn import(&self, rows: Vec<ImportRow>, actor: String) -> Result<Vec<bool>> {
        self.write(move |writer| write::import(writer, rows, &actor)).await
    }

    async fn erase(&self, tenant: &TenantId, actor: String) -> Result<Option<Erased>> {
        let tenant = tenant.clone();
        self.write(move |writer| write::erase(writer, &tenant, &actor)).await
    }

    async fn preference(
        &self,
        tenant: &TenantId,
        feature: &FeatureType,
    ) -> Result<Option<AsStated>> {
        let (tenant, feature) = (tenant.clone(), feature.clone());
        self.read(move |db, _, _| read::preference(db, &tenant, &feature)).await
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>> {
        let tenant = tenant.clone();
        self.read(move |db, _, _| read::tenant(db, &tenant, None)).await
    }

    async fn labels(&self, tenants: Vec<TenantId>) -> Result<HashMap<TenantId, Labels>> {
        self.read(move |db, _, _| read::labels_of(db, tenants)).await
    }

    async fn preferences(&self, request: BatchGetRequest) -> Result<BatchGetResponse> {
        self.read(move |db, _, incarnation| read::preferences(db, request, incarnation)).await
    }

    async fn documents(&self, after: u64, limit: usize) -> Result<Vec<StoredTenant>> {
        self.read(move |db, _, _| read::documents(db, after, limit)).await
    }

    async fn tenants(&self, query: TenantsQuery) -> Result<Vec<TenantSummary>> {
        self.read(move |db, _, _| tenants::list(db, &query)).await
    }

    async fn chosen(&self, query: ChosenQuery) -> Result<ChosenPage> {
        self.stamps.settle(query.as_of).await?;
        self.read(move |db, _, incarnation| tenants::chosen(db, &query, incarnation)).await
    }

    async fn timezones(&self) -> Result<Vec<TenantTimezone>> {
        self.read(move |db, _, _| tenants::timezones(db)).await
    }

    async fn history(
        &self,
        tenant: &TenantId,
        feature: Option<FeatureType>,
        before: i64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        let tenant = tenant.clone();
        self.read(move |db, _, _| history::list(db, &tenant, feature.as_ref(), before, limit)).await
    }

    async fn stated(
        &self,
        feature: &FeatureType,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredPreference>> {
        let feature = feature.clone();
        self.read(move |db, _, _| read::stated(db, &feature, after, limit)).await
    }

    async fn groups(&self, query: GroupsQuery) -> Result<GroupPage> {
        let complete_until = self.stamps.settled_until();
        self.read(move |db, _, incarnation| read::groups(db, &query, incarnation, complete_until))
            .await
    }

    async fn members(&self, query: MembersQuery) -> Result<MemberList> {
        self.stamps.settle(query.as_of).await?;
        self.read(move |db, names, incarnation| members::list(db, names, &query, incarnation)).await
    }

    async fn member_lists(&self, query: ListsQuery) -> Result<WholeLists> {
        self.stamps.settle(query.as_of).await?;
        self.read(move |db, names, incarnation| members::lists(db, names, &query, incarnation))
            .await
    }

    async fn moved(&self, query: MovedQuery) -> Result<MovedList> {
        self.stamps.settle(query.as_of).await?;
        self.read(move |db, names, incarnation| members::moved(db, names, &query, incarnation))
            .await
    }

    async fn drift(&self, repair: bool) -> Result<Drift> {
        let mut drift = Drift::default();
        // Counts first: moving somebody then counts from a right number.
        drift = if repair {
            self.write(move |writer| upkeep::recount(writer, drift)).await?
        } else {
            self.miscounted(drift).await?
        };
        self.misplaced(repair, &mut drift).await?;
        drift.is_repaired = repair;
        Ok(drift)
    }

    async fn newest_change(&self) -> Result<i64> {
        self.read(|db, _, _| feed::newest(db)).await
    }

    async fn oldest_kept(&self) -> Result<i64> {
        self.read(|db, _, _| feed::oldest_kept(db)).await
    }

    async fn changes(&self, after: i64, limit: usize) -> Result<ChangePage> {
        let settled = self.stamps.settled_until();
        self.read(move |db, names, incarnation| {
            feed::page(db, names, incarnation, after, limit, settled)
        })
        .await
    }

    async fn feed_lag(&self) -> Result<Duration> {
        Ok(self.stamps.open_for())
    }

    async fn forget(&self, before: Timestamp) -> Result<Forgotten> {
        let mut forgotten = Forgotten::default();
        let mut after = Some(0);
        while let Some(behind) = after {
            let (outdated, next) =
                self.read(move |db, _, _| upkeep::outdated(db, behind, before)).await?;
            after = next;
            forgotten.changes += outdated.len() as u64;
            if !outdated.is_empty() {
                self.write(move |writer| upkeep::remove(writer.db(), &outdated)).await?;
            }
        }
        loop {
            let removed =
                self.write(move |writer| upkeep::remove_counts(writer.db(), before)).await?;
            forgotten.counts += removed;
            if removed == 0 {
                return Ok(forgotten);
            }
        }
    }

    async fn definitions(&self) -> Result<Vec<Definition>> {
        self.read(|db, _, _| definitions::all(db)).await
    }

    async fn register(&self, registration: Registration) -> Result<Definition> {
        self.admit(|writer| definitions::register(writer, registration)).await
    }

    async fn key(&self, hash: KeyHash) -> Result<Option<ApiKey>> {
        self.read(move |db, _, _| keys::find(db, &hash)).await
    }

    async fn keys(&self) -> Result<Vec<ApiKey>> {
        self.read(|db, _, _| keys::all(db)).await
    }

    async fn add_key(&self, key: NewKey, only_first: bool) -> Result<Option<ApiKey>> {
        self.admit(move |writer| keys::add(writer, &key, only_first)).await
    }

    async fn revoke_key(&self, id: u64) -> Result<Option<ApiKey>> {
        self.admit(move |writer| keys::revoke(writer, id)).await
    }

    async fn note_key_uses(&self, uses: Vec<KeyUse>) -> Result<()> {
        self.write(move |writer| keys::note_uses(writer, &uses)).await
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
        for promise in conformance::all() {
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

    #[tokio::test]
    async fn groups_that_were_broken_behind_its_back_are_found_and_set_right() {
        let folder = tempfile::tempdir().expect("folder");
        let store = store(folder.path(), &Hand::at("2026-12-01T00:00:00Z")).await;
        conformance::put(&store, "zoe", &conformance::daily(8)).await;
        conformance::put(&store, "zoe", &conformance::daily(9)).await;
        conformance::put(&store, "ann", &conformance::daily(9)).await;
        let break_groups = |tx: &Connection| {
            tx.execute_batch(
                "UPDATE preference SET group_id = (SELECT id FROM stated_group WHERE time_key = \
                 '08:00')
                 WHERE tenant = (SELECT id FROM tenant WHERE tenant_id = 'ann');
                 UPDATE stated_group SET count = 7 WHERE time_key = '09:00'",
            )?;
            Ok::<_, DatabaseError>(())
        };
        store.db.write(break_groups).await.expect("breaks");
        conformance::upkeep::broken_groups_are_found_and_set_right(&store).await;
    }
}
