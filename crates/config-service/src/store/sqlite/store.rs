//! Each promise of the [`Store`], kept by a job on the file.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use cohort_database::DiskUsage;
use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, ChangePage, FeatureType, Labels, TenantId, TenantTimezone,
};
use jiff::Timestamp;
use tokio::sync::watch;

use super::open::SqliteStore;
use super::{
    definitions, edit, erase, feed, groups, history, keys, members, preferences, tenant, tenants,
    upkeep,
};
use crate::cursor::{Incarnation, Position};
use crate::error::Result;
use crate::key::{ApiKey, KeyHash, KeyUse, NewKey};
use crate::registry::{Definition, Registration};
use crate::store::Store;
use crate::store::edit::{AsStated, Edit, Edited, Erased, ImportRow, Tenant};
use crate::store::list::{
    ChosenPage, ChosenQuery, Drift, Forgotten, GroupPage, GroupsQuery, HistoryEntry, ListsQuery,
    MemberList, MembersQuery, MovedList, MovedQuery, StoredPreference, StoredTenant, TenantSummary,
    TenantsQuery, WholeLists,
};

#[async_trait]
impl Store for SqliteStore {
    fn incarnation(&self) -> Incarnation {
        self.identity.incarnation
    }

    fn copied_from(&self) -> &[Incarnation] {
        &self.identity.copied_from
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
        self.write(|writer| edit::edit(writer, edit)).await
    }

    async fn import(&self, rows: Vec<ImportRow>, actor: String) -> Result<Vec<bool>> {
        self.write(move |writer| edit::import(writer, rows, &actor)).await
    }

    async fn erase(&self, tenant: &TenantId, actor: String) -> Result<Option<Erased>> {
        let tenant = tenant.clone();
        self.write(move |writer| erase::erase(writer, &tenant, &actor)).await
    }

    async fn preference(
        &self,
        tenant: &TenantId,
        feature: &FeatureType,
    ) -> Result<Option<AsStated>> {
        let (tenant, feature) = (tenant.clone(), feature.clone());
        self.read(move |db, _, _| preferences::preference(db, &tenant, &feature)).await
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>> {
        let tenant = tenant.clone();
        self.read(move |db, _, _| tenant::tenant(db, &tenant, None)).await
    }

    async fn labels(&self, tenants: Vec<TenantId>) -> Result<HashMap<TenantId, Labels>> {
        self.read(move |db, _, _| tenant::labels(db, tenants)).await
    }

    async fn preferences(&self, request: BatchGetRequest) -> Result<BatchGetResponse> {
        self.read(move |db, _, incarnation| preferences::preferences(db, request, incarnation))
            .await
    }

    async fn documents(&self, after: u64, limit: usize) -> Result<Vec<StoredTenant>> {
        self.read(move |db, _, _| tenant::documents(db, after, limit)).await
    }

    async fn tenants(&self, query: TenantsQuery) -> Result<Vec<TenantSummary>> {
        self.read(move |db, _, _| tenants::list(db, &query)).await
    }

    async fn chosen(&self, query: ChosenQuery) -> Result<ChosenPage> {
        self.stamps.wait_until_settled(query.as_of).await?;
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
        self.read(move |db, _, _| preferences::stated(db, &feature, after, limit)).await
    }

    async fn groups(&self, query: GroupsQuery) -> Result<GroupPage> {
        let complete_until = self.stamps.settled_until();
        self.read(move |db, _, incarnation| groups::groups(db, &query, incarnation, complete_until))
            .await
    }

    async fn members(&self, query: MembersQuery) -> Result<MemberList> {
        self.stamps.wait_until_settled(query.as_of).await?;
        self.read(move |db, names, incarnation| members::list(db, names, &query, incarnation)).await
    }

    async fn member_lists(&self, query: ListsQuery) -> Result<WholeLists> {
        self.stamps.wait_until_settled(query.as_of).await?;
        self.read(move |db, names, incarnation| members::lists(db, names, &query, incarnation))
            .await
    }

    async fn moved(&self, query: MovedQuery) -> Result<MovedList> {
        self.stamps.wait_until_settled(query.as_of).await?;
        self.read(move |db, names, incarnation| members::moved(db, names, &query, incarnation))
            .await
    }

    async fn drift(&self, repair: bool) -> Result<Drift> {
        self.look_for_drift(repair).await
    }

    async fn prove_writable(&self) -> Result<()> {
        self.write(|writer| upkeep::prove_writable(writer.db())).await
    }

    async fn newest_change(&self) -> Result<i64> {
        self.read(|db, _, _| feed::newest(db)).await
    }

    async fn oldest_kept(&self) -> Result<i64> {
        self.read(|db, _, _| feed::oldest_kept(db)).await
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<ChangePage> {
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
        self.forget_before(before).await
    }

    async fn disk_usage(&self) -> Result<DiskUsage> {
        Ok(self.db.disk_usage().await?)
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
