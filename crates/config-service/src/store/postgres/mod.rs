//! The store on PostgreSQL: one writer in each process, a pool that reads, instants as
//! microseconds.
//!
//! Whoever writes holds the row `head` until its commit, in every process. Ids of changes and
//! stamps are therefore given in commit order, and the id of a change row alone is the feed's
//! cursor, as on SQLite. Somebody else's transaction, however long, neither hides nor delays a row;
//! a writer that hangs is ended by the server.
//!
//! ```text
//! edit, import ─► queue ─► session ─► head ─► rows, head, notification ─► commit      one connection
//! keys, definitions, upkeep ─┘
//! reads ─► stamps: as of T, wait for the writer that holds head ─► snapshot           a pool
//! signals ◄─ notifications, a look at head once a second                              one connection
//! ```
//!
//! What may fail: a connection breaks, the server restarts. What was not answered is then an error
//! that may pass, and the next job makes the connection anew. A commit whose answer was lost is
//! such an error too, though it may have been stored: whoever repeats an edit states it once more
//! or finds its precondition gone.

mod definitions;
mod feed;
mod history;
mod keys;
mod members;
mod names;
mod process;
mod queue;
mod read;
mod rows;
mod signals;
mod stamps;
mod tenants;
#[cfg(test)]
mod tests;
mod upkeep;
mod write;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cohort_database::{
    Migrations, Planning, Postgres, PostgresOptions, Reader, SchemaName, Version,
};
use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, ChangePage, Clock, FeatureType, Labels, TenantId,
    TenantTimezone,
};
use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::task::JoinSet;

use self::process::{Process, Session};
use self::queue::{Job, Queue, wait};
use self::signals::Signals;
use self::stamps::Stamps;
use crate::cursor::Incarnation;
use crate::key::{ApiKey, KeyHash, KeyUse, NewKey};
use crate::registry::{Definition, Registration};
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

    embed_migrations!("migrations/postgres");
}

/// Every program so far may use the schema.
fn migrations() -> Migrations {
    Migrations::new(embedded::migrations::runner(), Version::new(0, 1, 0))
}

/// Connections that read: few, as each is a process of the server.
const READERS: usize = 8;

/// A Config Database in one schema of a PostgreSQL database.
pub(crate) struct PostgresStore {
    process: Arc<Process>,
    identity: Identity,
    queue: Queue,
    session: Arc<Mutex<Session>>,
    /// What works in the background ends with the store.
    _working: JoinSet<()>,
}

impl PostgresStore {
    /// Connects, creating or migrating the schema unless `read_only`.
    pub(crate) async fn open(
        url: String,
        schema: SchemaName,
        clock: Arc<dyn Clock>,
        read_only: bool,
    ) -> Result<Self> {
        let db = Postgres::open(
            PostgresOptions {
                url,
                schema,
                readers: READERS,
                read_only,
                planning: Planning::ByCost,
            },
            &migrations(),
        )
        .await?;
        if !read_only {
            write_identity(&db).await?;
        }
        let identity = read_identity(&db).await?;
        let signals = Signals::new(db.schema());
        // A server that only follows another notifies nobody.
        let heard = match db.listen(signals.channel()).await {
            Err(_cannot_listen) if read_only => None,
            heard => Some(heard?),
        };
        let stamps = Stamps::new(db.clone(), Arc::clone(&clock), read_only);
        let process = Arc::new(Process { db, clock, names: Names::default(), stamps, signals });
        signals::look(&process).await?;
        let session = Arc::new(Mutex::new(Session::new(Arc::clone(&process))));
        let (queue, jobs) = queue::queue();
        let mut working = JoinSet::new();
        working.spawn(queue::work(Arc::clone(&session), jobs));
        working.spawn(signals::follow(Arc::clone(&process), heard));
        Ok(Self { process, identity, queue, session, _working: working })
    }

    /// A connection of the pool, for one snapshot.
    async fn reader(&self) -> Result<Reader> {
        Ok(self.process.db.read().await?)
    }

    /// The connection that writes, for a write that no other shares.
    async fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().await
    }

    async fn miscounted(&self, mut drift: Drift) -> Result<Drift> {
        let mut reader = self.reader().await?;
        upkeep::miscounted(&reader.snapshot().await?, &mut drift).await?;
        Ok(drift)
    }

    async fn recount(&self, drift: Drift) -> Result<Drift> {
        let mut session = self.session().await;
        let mut writer = session.begin().await?;
        let drift = upkeep::recount(&mut writer, drift).await?;
        writer.commit().await?;
        Ok(drift)
    }

    async fn misplaced(&self, repair: bool, drift: &mut Drift) -> Result<()> {
        let mut after = Some(0);
        while let Some(behind) = after {
            let (misplaced, next) = {
                let mut reader = self.reader().await?;
                upkeep::misplaced(&reader.snapshot().await?, behind, drift).await?
            };
            after = next;
            for (tenant, feature) in misplaced.into_iter().filter(|_| repair) {
                self.edit(put_right(tenant, feature)).await?;
            }
        }
        Ok(())
    }
}

async fn write_identity(db: &Postgres) -> Result<()> {
    let reader = db.read().await?;
    for (key, value) in Identity::KEYS.iter().zip(Identity::random()) {
        reader
            .execute(
                "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                &[key, &value],
            )
            .await?;
    }
    Ok(())
}

async fn read_identity(db: &Postgres) -> Result<Identity> {
    let reader = db.read().await?;
    let value = async |key: &str| {
        reader
            .query_one("SELECT value FROM meta WHERE key = $1", &[&key])
            .await
            .map(|row| row.get(0))
    };
    let [incarnation, link_secret] = Identity::KEYS;
    Identity::read([value(incarnation).await?, value(link_secret).await?])
}

#[async_trait]
impl Store for PostgresStore {
    fn incarnation(&self) -> Incarnation {
        self.identity.incarnation
    }

    fn link_secret(&self) -> [u8; 32] {
        self.identity.link_secret
    }

    fn commits(&self) -> watch::Receiver<u64> {
        self.process.signals.commits()
    }

    fn admissions(&self) -> watch::Receiver<u64> {
        self.process.signals.admissions()
    }

    async fn edit(&self, edit: Edit) -> Result<Edited> {
        wait(&self.queue, |answer| Job::Edit(edit, answer)).await
    }

    async fn import(&self, rows: Vec<ImportRow>, actor: String) -> Result<Vec<bool>> {
        wait(&self.queue, |answer| Job::Import(rows, actor, answer)).await
    }

    async fn erase(&self, tenant: &TenantId, actor: String) -> Result<Option<Erased>> {
        let mut session = self.session().await;
        let mut writer = session.begin().await?;
        let erased = write::erase(&mut writer, tenant, &actor).await?;
        writer.commit().await?;
        Ok(erased)
    }

    async fn preference(
        &self,
        tenant: &TenantId,
        feature: &FeatureType,
    ) -> Result<Option<AsStated>> {
        read::preference(&self.reader().await?, tenant, feature).await
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>> {
        let mut reader = self.reader().await?;
        read::tenant(&reader.snapshot().await?, tenant).await
    }

    async fn labels(&self, tenants: Vec<TenantId>) -> Result<HashMap<TenantId, Labels>> {
        let mut reader = self.reader().await?;
        read::labels_of(&reader.snapshot().await?, tenants).await
    }

    async fn preferences(&self, request: BatchGetRequest) -> Result<BatchGetResponse> {
        let mut reader = self.reader().await?;
        read::preferences(&reader.snapshot().await?, request, self.incarnation()).await
    }

    async fn documents(&self, after: u64, limit: usize) -> Result<Vec<StoredTenant>> {
        let mut reader = self.reader().await?;
        read::documents(&reader.snapshot().await?, after, limit).await
    }

    async fn tenants(&self, query: TenantsQuery) -> Result<Vec<TenantSummary>> {
        let mut reader = self.reader().await?;
        tenants::list(&reader.snapshot().await?, &query).await
    }

    async fn chosen(&self, query: ChosenQuery) -> Result<ChosenPage> {
        self.process.stamps.settle(query.as_of).await?;
        let mut reader = self.reader().await?;
        tenants::chosen(&reader.snapshot().await?, &query, self.incarnation()).await
    }

    async fn timezones(&self) -> Result<Vec<TenantTimezone>> {
        let mut reader = self.reader().await?;
        tenants::timezones(&reader.snapshot().await?).await
    }

    async fn history(
        &self,
        tenant: &TenantId,
        feature: Option<FeatureType>,
        before: i64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>> {
        let mut reader = self.reader().await?;
        history::list(
            &reader.snapshot().await?,
            &self.process.names,
            tenant,
            feature.as_ref(),
            before,
            limit,
        )
        .await
    }

    async fn stated(
        &self,
        feature: &FeatureType,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredPreference>> {
        let mut reader = self.reader().await?;
        read::stated(&reader.snapshot().await?, feature, after, limit).await
    }

    async fn groups(&self, query: GroupsQuery) -> Result<GroupPage> {
        self.process.stamps.come_up().await?;
        let mut reader = self.reader().await?;
        read::groups(&reader.snapshot().await?, &query, self.incarnation()).await
    }

    async fn members(&self, query: MembersQuery) -> Result<MemberList> {
        self.process.stamps.settle(query.as_of).await?;
        let mut reader = self.reader().await?;
        members::list(&reader.snapshot().await?, &self.process.names, &query, self.incarnation())
            .await
    }

    async fn member_lists(&self, query: ListsQuery) -> Result<WholeLists> {
        self.process.stamps.settle(query.as_of).await?;
        let mut reader = self.reader().await?;
        members::lists(&reader.snapshot().await?, &query, self.incarnation()).await
    }

    async fn moved(&self, query: MovedQuery) -> Result<MovedList> {
        self.process.stamps.settle(query.as_of).await?;
        let mut reader = self.reader().await?;
        members::moved(&reader.snapshot().await?, &self.process.names, &query, self.incarnation())
            .await
    }

    async fn drift(&self, repair: bool) -> Result<Drift> {
        let mut drift = Drift::default();
        // Counts first: moving somebody then counts from a right number.
        drift = if repair { self.recount(drift).await? } else { self.miscounted(drift).await? };
        self.misplaced(repair, &mut drift).await?;
        drift.is_repaired = repair;
        Ok(drift)
    }

    async fn newest_change(&self) -> Result<i64> {
        let mut reader = self.reader().await?;
        Ok(feed::newest(&reader.snapshot().await?).await?.change)
    }

    async fn oldest_kept(&self) -> Result<i64> {
        let mut reader = self.reader().await?;
        Ok(feed::newest(&reader.snapshot().await?).await?.oldest_kept)
    }

    async fn changes(&self, after: i64, limit: usize) -> Result<ChangePage> {
        self.process.stamps.come_up().await?;
        let mut reader = self.reader().await?;
        feed::page(&reader.snapshot().await?, &self.process.names, self.incarnation(), after, limit)
            .await
    }

    async fn feed_lag(&self) -> Result<Duration> {
        let mut reader = self.reader().await?;
        feed::lag(&reader.snapshot().await?).await
    }

    async fn forget(&self, before: Timestamp) -> Result<Forgotten> {
        let mut forgotten = Forgotten::default();
        let mut after = Some(0);
        while let Some(behind) = after {
            let (outdated, next) = {
                let mut reader = self.reader().await?;
                upkeep::outdated(&reader.snapshot().await?, behind, before).await?
            };
            after = next;
            forgotten.changes += outdated.len() as u64;
            if !outdated.is_empty() {
                let mut session = self.session().await;
                let writer = session.begin().await?;
                upkeep::remove(&writer, &outdated).await?;
                writer.commit().await?;
            }
        }
        loop {
            let mut session = self.session().await;
            let writer = session.begin().await?;
            let removed = upkeep::remove_counts(&writer, before).await?;
            writer.commit().await?;
            forgotten.counts += removed;
            if removed == 0 {
                return Ok(forgotten);
            }
        }
    }

    async fn definitions(&self) -> Result<Vec<Definition>> {
        let mut reader = self.reader().await?;
        definitions::all(&reader.snapshot().await?).await
    }

    async fn register(&self, registration: Registration) -> Result<Definition> {
        let mut session = self.session().await;
        let mut writer = session.begin().await?.changing_admissions();
        let definition = definitions::register(&mut writer, registration).await?;
        writer.commit().await?;
        Ok(definition)
    }

    async fn key(&self, hash: KeyHash) -> Result<Option<ApiKey>> {
        let mut reader = self.reader().await?;
        keys::find(&reader.snapshot().await?, &hash).await
    }

    async fn keys(&self) -> Result<Vec<ApiKey>> {
        let mut reader = self.reader().await?;
        keys::all(&reader.snapshot().await?).await
    }

    async fn add_key(&self, key: NewKey, only_first: bool) -> Result<Option<ApiKey>> {
        let mut session = self.session().await;
        let mut writer = session.begin().await?.changing_admissions();
        let added = keys::add(&mut writer, &key, only_first).await?;
        writer.commit().await?;
        Ok(added)
    }

    async fn revoke_key(&self, id: u64) -> Result<Option<ApiKey>> {
        let mut session = self.session().await;
        let mut writer = session.begin().await?.changing_admissions();
        let revoked = keys::revoke(&mut writer, id).await?;
        writer.commit().await?;
        Ok(revoked)
    }

    async fn note_key_uses(&self, uses: Vec<KeyUse>) -> Result<()> {
        let mut session = self.session().await;
        let writer = session.begin().await?;
        keys::note_uses(&writer, &uses).await?;
        writer.commit().await
    }
}
