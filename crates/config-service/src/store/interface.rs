//! What every store does.

use std::collections::HashMap;

use async_trait::async_trait;
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
use crate::cursor::Incarnation;
use crate::error::Result;
use crate::key::{ApiKey, KeyHash, KeyUse, NewKey};
use crate::registry::{Definition, Registration};

/// A database of preferences.
#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// Which life of the database this is.
    fn incarnation(&self) -> Incarnation;

    /// With what signed links are signed; random, made with the database.
    fn link_secret(&self) -> [u8; 32];

    /// Changes after every commit, of other processes too.
    fn commits(&self) -> watch::Receiver<u64>;

    /// Changes whenever keys or definitions may have changed, in other processes too: what was read
    /// before must be read anew.
    fn admissions(&self) -> watch::Receiver<u64>;

    /// Changes one tenant.
    async fn edit(&self, edit: Edit) -> Result<Edited>;

    /// Writes many preferences, those of one tenant and feature in order; says for each whether it
    /// changed anything.
    async fn import(&self, rows: Vec<ImportRow>, actor: String) -> Result<Vec<bool>>;

    /// Takes a tenant's name and content out of every row (W8); `None` if there is none of this
    /// name.
    async fn erase(&self, tenant: &TenantId, actor: String) -> Result<Option<Erased>>;

    /// One preference; `None` if there never was one.
    async fn preference(
        &self,
        tenant: &TenantId,
        feature: &FeatureType,
    ) -> Result<Option<AsStated>>;

    /// Everything of a tenant; `None` for one that never wrote.
    async fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>>;

    /// The labels of those tenants that have any.
    async fn labels(&self, tenants: Vec<TenantId>) -> Result<HashMap<TenantId, Labels>>;

    /// Many tenants' preferences for one feature.
    async fn preferences(&self, request: BatchGetRequest) -> Result<BatchGetResponse>;

    /// Tenants with everything, ascending by number, behind the one of this number.
    async fn documents(&self, after: u64, limit: usize) -> Result<Vec<StoredTenant>>;

    /// Tenants by id and label.
    async fn tenants(&self, query: TenantsQuery) -> Result<Vec<TenantSummary>>;

    /// Tenants as of an instant, whatever they prefer; waits a moment for an instant that has not
    /// settled.
    async fn chosen(&self, query: ChosenQuery) -> Result<ChosenPage>;

    /// The zones that tenants call their own, `None` for those who name none, and since when there
    /// has been one.
    async fn timezones(&self) -> Result<Vec<TenantTimezone>>;

    /// A tenant's changes, newest first, before the one of this number; of one feature or all.
    async fn history(
        &self,
        tenant: &TenantId,
        feature: Option<FeatureType>,
        before: i64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>>;

    /// The preferences of a feature that are there, ascending by tenant number, behind this one.
    async fn stated(
        &self,
        feature: &FeatureType,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredPreference>>;

    /// The groups that have members, and those that lost their last not long ago.
    async fn groups(&self, query: GroupsQuery) -> Result<GroupPage>;

    /// The members of groups as of an instant; waits a moment for an instant that has not settled
    /// (M1).
    async fn members(&self, query: MembersQuery) -> Result<MemberList>;

    /// Many member lists as of one instant, each whole, as far as there is room; waits as `members`
    /// does.
    async fn member_lists(&self, query: ListsQuery) -> Result<WholeLists>;

    /// What became of members since a place in the feed; waits as `members` does.
    /// [`ConfigServiceError::CursorGone`] if more tenants have changed than asked for, or the place
    /// is no longer kept.
    async fn moved(&self, query: MovedQuery) -> Result<MovedList>;

    /// Compares the groups with what the preferences say, and sets them right if asked.
    async fn drift(&self, repair: bool) -> Result<Drift>;

    /// The number of the newest change, 0 if there is none.
    async fn newest_change(&self) -> Result<i64>;

    /// The number below which changes may have been removed: the feed is complete behind it.
    async fn oldest_kept(&self) -> Result<i64>;

    /// At most `limit` changes behind the one of this number; [`ConfigServiceError::CursorGone`] if
    /// it is of the future or no longer kept.
    async fn changes(&self, after: i64, limit: usize) -> Result<ChangePage>;

    /// How long the oldest transaction that is not committed has been open, if any is: the feed is
    /// late by so much (F7).
    async fn feed_lag(&self) -> Result<std::time::Duration>;

    /// Removes change rows and counts older than this that tell nothing of the present, a bounded
    /// number at a time.
    async fn forget(&self, before: Timestamp) -> Result<Forgotten>;

    /// The newest definition of every registered feature.
    async fn definitions(&self) -> Result<Vec<Definition>>;

    /// Registers a definition as the feature's next version, and puts it into the feed.
    async fn register(&self, registration: Registration) -> Result<Definition>;

    /// The key of this hash, whether it is valid or not.
    async fn key(&self, hash: KeyHash) -> Result<Option<ApiKey>>;

    /// All keys, revoked ones too, ascending by id.
    async fn keys(&self) -> Result<Vec<ApiKey>>;

    /// Stores a key; with `only_first`, only if no key is there. `None` if it was not stored.
    async fn add_key(&self, key: NewKey, only_first: bool) -> Result<Option<ApiKey>>;

    /// Revokes a key; `None` if there is none of this id.
    async fn revoke_key(&self, id: u64) -> Result<Option<ApiKey>>;

    /// Notes when and how often keys were used.
    async fn note_key_uses(&self, uses: Vec<KeyUse>) -> Result<()>;
}
