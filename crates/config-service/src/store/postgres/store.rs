//! Each promise of the [`Store`]: reads go to the pool, writes to the one connection that writes.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use cohort_database::DiskUsage;
use cohort_database::limits;
use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, ChangePage, FeatureType, Labels, TenantId, TenantTimezone,
};
use jiff::Timestamp;
use tokio::sync::watch;

use super::open::PostgresStore;
use super::queue::{Job, wait};
use super::{
    definitions, erase, feed, groups, history, keys, members, preferences, tenant, tenants, upkeep,
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
impl Store for PostgresStore {
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
        self.process.signals.commits()
    }

    fn admissions(&self) -> watch::Receiver<u64> {
        self.process.signals.admissions()
    }

    async fn edit(&self, edit: Edit) -> Result<Edited> {
        wait(&self.queue, |waiter| Job::Edit(edit, waiter)).await
    }

    async fn import(&self, rows: Vec<ImportRow>, actor: String) -> Result<Vec<bool>> {
        wait(&self.queue, |waiter| Job::Import(rows, actor, waiter)).await
    }

    async fn erase(&self, tenant: &TenantId, actor: String) -> Result<Option<Erased>> {
        let mut session = self.session().await;
        let mut writer = session.begin_within(limits::LONG).await?;
        let erased = erase::erase(&mut writer, tenant, &actor).await?;
        writer.commit().await?;
        Ok(erased)
    }

    async fn preference(
        &self,
        tenant: &TenantId,
        feature: &FeatureType,
    ) -> Result<Option<AsStated>> {
        preferences::preference(&*self.reader().await?, tenant, feature).await
    }

    async fn tenant(&self, tenant: &TenantId) -> Result<Option<Tenant>> {
        let mut reader = self.reader().await?;
        tenant::tenant(&reader.snapshot().await?, tenant).await
    }

    async fn labels(&self, tenants: Vec<TenantId>) -> Result<HashMap<TenantId, Labels>> {
        let mut reader = self.reader().await?;
        tenant::labels(&reader.snapshot().await?, tenants).await
    }

    async fn preferences(&self, request: BatchGetRequest) -> Result<BatchGetResponse> {
        let mut reader = self.list_reader().await?;
        preferences::preferences(&reader.snapshot().await?, request, self.incarnation()).await
    }

    async fn documents(&self, after: u64, limit: usize) -> Result<Vec<StoredTenant>> {
        let mut reader = self.list_reader().await?;
        tenant::documents(&reader.snapshot().await?, after, limit).await
    }

    async fn tenants(&self, query: TenantsQuery) -> Result<Vec<TenantSummary>> {
        let mut reader = self.reader().await?;
        tenants::list(&reader.snapshot().await?, &query).await
    }

    async fn chosen(&self, query: ChosenQuery) -> Result<ChosenPage> {
        self.process.stamps.wait_until_settled(query.as_of).await?;
        let mut reader = self.list_reader().await?;
        tenants::chosen(&reader.snapshot().await?, &query, self.incarnation()).await
    }

    async fn timezones(&self) -> Result<Vec<TenantTimezone>> {
        let mut reader = self.list_reader().await?;
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
        let mut reader = self.list_reader().await?;
        preferences::stated(&reader.snapshot().await?, feature, after, limit).await
    }

    async fn groups(&self, query: GroupsQuery) -> Result<GroupPage> {
        self.process.stamps.come_up().await?;
        let mut reader = self.list_reader().await?;
        groups::groups(&reader.snapshot().await?, &query, self.incarnation()).await
    }

    async fn members(&self, query: MembersQuery) -> Result<MemberList> {
        self.process.stamps.wait_until_settled(query.as_of).await?;
        let mut reader = self.list_reader().await?;
        members::list(&reader.snapshot().await?, &self.process.names, &query, self.incarnation())
            .await
    }

    async fn member_lists(&self, query: ListsQuery) -> Result<WholeLists> {
        self.process.stamps.wait_until_settled(query.as_of).await?;
        let mut reader = self.list_reader().await?;
        members::lists(&reader.snapshot().await?, &query, self.incarnation()).await
    }

    async fn moved(&self, query: MovedQuery) -> Result<MovedList> {
        self.process.stamps.wait_until_settled(query.as_of).await?;
        let mut reader = self.list_reader().await?;
        members::moved(&reader.snapshot().await?, &self.process.names, &query, self.incarnation())
            .await
    }

    async fn drift(&self, repair: bool) -> Result<Drift> {
        self.look_for_drift(repair).await
    }

    async fn prove_writable(&self) -> Result<()> {
        upkeep::prove_writable(&self.reader().await?).await
    }

    async fn newest_change(&self) -> Result<i64> {
        let mut reader = self.reader().await?;
        Ok(feed::newest(&reader.snapshot().await?).await?.change)
    }

    async fn oldest_kept(&self) -> Result<i64> {
        let mut reader = self.reader().await?;
        Ok(feed::newest(&reader.snapshot().await?).await?.oldest_kept)
    }

    async fn changes(&self, after: Position, limit: usize) -> Result<ChangePage> {
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
        self.forget_before(before).await
    }

    async fn disk_usage(&self) -> Result<DiskUsage> {
        Ok(self.process.db.disk_usage().await?)
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
