//! What every store does.

use std::collections::HashMap;

use async_trait::async_trait;
use cohort_database::DiskUsage;
use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, ChangePage, FeatureType, Labels, TenantId, TenantTimezone,
};
use jiff::Timestamp;
use tokio::sync::watch;

use super::edit::{AsStated, Edit, Edited, Erased, ImportRow, Tenant};
use super::list::{
    ChosenPage, ChosenQuery, Drift, Forgotten, GroupPage, GroupsQuery, HistoryEntry, ListsQuery,
    MemberList, MembersQuery, MovedList, MovedQuery, StoredPreference, StoredTenant, TenantSummary,
    TenantsQuery, WholeLists,
};
use crate::cursor::{Incarnation, Position};
use crate::error::Result;
use crate::key::{ApiKey, KeyHash, KeyUse, NewKey};
use crate::registry::{Definition, Registration};

/// A database of preferences.
#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// Returns which life of the database this is.
    fn incarnation(&self) -> Incarnation;

    /// Returns the incarnations of the databases that this one is a copy of, oldest first (F11).
    fn copied_from(&self) -> &[Incarnation];

    /// Returns the random secret that signs links; it was made with the database.
    fn link_secret(&self) -> [u8; 32];

    /// Returns a counter that changes after every commit, also of another process.
    fn commits(&self) -> watch::Receiver<u64>;

    /// Returns a counter that changes whenever keys or definitions may have changed, also through
    /// another process: what was read of them before must be read again.
    fn admissions(&self) -> watch::Receiver<u64>;

    /// Changes one tenant.
    async fn edit(&self, edit: Edit) -> Result<Edited>;

    /// Writes many preferences, those of one tenant and feature in the order given. Returns for
    /// each whether it changed anything.
    async fn import(&self, rows: Vec<ImportRow>, actor: String) -> Result<Vec<bool>>;

    /// Takes a tenant's name and content out of every row (W8). Returns `None` if there is no such
    /// tenant.
    async fn erase(&self, tenant: &TenantId, actor: String) -> Result<Option<Erased>>;

    /// Returns one preference, or `None` if there never was one.
    async fn preference(
        &self,
        tenant: &TenantId,
        feature: &FeatureType,
    ) -> Result<Option<AsStated>>;

    /// Returns everything of a tenant, or `None` if it never wrote.
    async fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>>;

    /// Returns the labels of those tenants that have any.
    async fn labels(&self, tenants: Vec<TenantId>) -> Result<HashMap<TenantId, Labels>>;

    /// Returns many tenants' preferences for one feature, in the order asked.
    async fn preferences(&self, request: BatchGetRequest) -> Result<BatchGetResponse>;

    /// Returns at most `limit` tenants with everything, ascending by number, that follow the one of
    /// number `after`.
    async fn documents(&self, after: u64, limit: usize) -> Result<Vec<StoredTenant>>;

    /// Returns a page of tenants, found by id and label.
    async fn tenants(&self, query: TenantsQuery) -> Result<Vec<TenantSummary>>;

    /// Returns a page of tenants as of an instant, whatever they prefer. Waits up to five seconds
    /// for the instant to settle.
    async fn chosen(&self, query: ChosenQuery) -> Result<ChosenPage>;

    /// Returns each zone that a tenant calls its own, with the instant at which the first such
    /// tenant wrote.
    async fn timezones(&self) -> Result<Vec<TenantTimezone>>;

    /// Returns at most `limit` changes of a tenant that are older than the one of number `before`,
    /// newest first; of one feature, or of all and the profile.
    async fn history(
        &self,
        tenant: &TenantId,
        feature: Option<FeatureType>,
        before: i64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>>;

    /// Returns at most `limit` preferences of a feature that are not deleted, ascending by tenant
    /// number, that follow the tenant of number `after`.
    async fn stated(
        &self,
        feature: &FeatureType,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredPreference>>;

    /// Returns a page of the groups that have members or lost their last one not long ago.
    async fn groups(&self, query: GroupsQuery) -> Result<GroupPage>;

    /// Returns a page of the members of groups as of an instant (M1). Waits up to five seconds for
    /// the instant to settle.
    async fn members(&self, query: MembersQuery) -> Result<MemberList>;

    /// Returns many member lists as of one instant, each whole, as far as there is room. Waits as
    /// [`Self::members`] does.
    async fn member_lists(&self, query: ListsQuery) -> Result<WholeLists>;

    /// Returns what became of members since a position in the feed. Waits as [`Self::members`]
    /// does; fails with `CursorGone` if more tenants have changed than the query allows, or if the
    /// position is no longer kept.
    async fn moved(&self, query: MovedQuery) -> Result<MovedList>;

    /// Compares the groups with what the preferences say, and repairs them if asked.
    async fn drift(&self, repair: bool) -> Result<Drift>;

    /// Writes a row that is there for this only, and returns once that is on disk (F12).
    async fn prove_writable(&self) -> Result<()>;

    /// Returns the number of the newest change, or 0 if there is none.
    async fn newest_change(&self) -> Result<i64>;

    /// Returns the number up to which changes may have been removed; the feed is complete behind
    /// it.
    async fn oldest_kept(&self) -> Result<i64>;

    /// Returns at most `limit` changes that follow the one at `after`. Fails with `CursorGone` if
    /// that one is of the future or no longer kept, or if the number is another change's (F11).
    async fn changes(&self, after: Position, limit: usize) -> Result<ChangePage>;

    /// Returns how long the oldest open transaction has been open, zero if none is: by so much the
    /// feed is late (F7).
    async fn feed_lag(&self) -> Result<std::time::Duration>;

    /// Removes change rows and counts that are older than `before` and not needed for the present,
    /// a bounded number in each transaction.
    async fn forget(&self, before: Timestamp) -> Result<Forgotten>;

    /// Returns how much room the database takes, and how much is left (F13).
    async fn disk_usage(&self) -> Result<DiskUsage>;

    /// Returns the newest definition of every registered feature.
    async fn definitions(&self) -> Result<Vec<Definition>>;

    /// Registers a definition as the feature's next version, and puts it into the feed.
    async fn register(&self, registration: Registration) -> Result<Definition>;

    /// Returns the key of this hash, also one that has expired or was revoked.
    async fn key(&self, hash: KeyHash) -> Result<Option<ApiKey>>;

    /// Returns all keys, also revoked ones, ascending by id.
    async fn keys(&self) -> Result<Vec<ApiKey>>;

    /// Stores a key; with `only_first`, only if the database never had one. Returns `None` if the
    /// key was not stored.
    async fn add_key(&self, key: NewKey, only_first: bool) -> Result<Option<ApiKey>>;

    /// Revokes a key and returns it, or `None` if there is no such key.
    async fn revoke_key(&self, id: u64) -> Result<Option<ApiKey>>;

    /// Adds to what is noted of when and how often keys were used.
    async fn note_key_uses(&self, uses: Vec<KeyUse>) -> Result<()>;
}
