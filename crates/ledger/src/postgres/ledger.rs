//! The way of an occurrence from the plan to the outcome, on PostgreSQL.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use async_trait::async_trait;
use cohort_database::{DiskUsage, Heard};
use cohort_preferences::{JobId, PreferenceGroup, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::watch;

use super::{
    PostgresLedger, claims, jobs, members, news, outcomes, recorder, repeats, runs, tenants,
};
use crate::{
    Chunk, ChunkResult, Claim, FiringName, Ledger, LedgerError, MembersRead, OtherRuns,
    OutcomeQuery, OutcomeRecord, Plan, Run, RunId, RunQuery, UnprocessedReason, Watermark,
};

#[async_trait]
impl Ledger for PostgresLedger {
    async fn ensure_job(&self, job: &JobId, now: Timestamp) -> Result<Watermark, LedgerError> {
        jobs::ensure_job(&*self.connection().await?, job, now).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(%job, runs = plan.runs.len()))]
    async fn open_runs(
        &self,
        job: &JobId,
        plan: Plan,
        now: Timestamp,
    ) -> Result<Vec<RunId>, LedgerError> {
        let mut connection = self.long_connection().await?;
        let tx = connection.transaction().await?;
        let opened = runs::open_runs(&tx, job, &plan, now).await?;
        news::tell(&tx, self.db.schema(), opened.first().copied()).await?;
        tx.commit().await?;
        Ok(opened)
    }

    async fn named_since(
        &self,
        job: &JobId,
        date: Date,
    ) -> Result<HashSet<(PreferenceGroup, FiringName)>, LedgerError> {
        runs::named_since(&*self.connection().await?, job, date).await
    }

    async fn unread_beside(
        &self,
        run: &Run,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Run>, LedgerError> {
        runs::unread_beside(&*self.connection().await?, run.id, now, limit).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(pages = pages.len()))]
    async fn add_members(
        &self,
        pages: Vec<MembersRead<'_>>,
    ) -> Result<Vec<Option<Vec<Chunk>>>, LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        let added = members::add_members(&tx, &pages).await?;
        tx.commit().await?;
        Ok(added)
    }

    async fn postpone_reading(&self, run: RunId, until: Timestamp) -> Result<(), LedgerError> {
        members::postpone_reading(&*self.connection().await?, run, until).await
    }

    async fn give_up_reading(
        &self,
        run: RunId,
        reason: UnprocessedReason,
        unread: Option<u64>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        members::give_up_reading(&*self.connection().await?, run, reason, unread, now).await
    }

    async fn renew_claims(&self, claim: Claim, chunks: Vec<i64>) -> Result<(), LedgerError> {
        claims::renew_claims(&*self.connection().await?, &claim, &chunks).await
    }

    async fn release_chunks(&self, holder: &str, now: Timestamp) -> Result<usize, LedgerError> {
        let connection = self.connection().await?;
        let released = claims::release_chunks(&*connection, holder, now).await?;
        news::tell(&*connection, self.db.schema(), released.first().copied()).await?;
        Ok(released.len())
    }

    #[tracing::instrument(
        level = "debug",
        skip_all,
        fields(run = %result.run, chunk = result.chunk, outcomes = result.outcomes.len())
    )]
    async fn record_outcomes(&self, result: ChunkResult) -> Result<(), LedgerError> {
        recorder::record(&self.recorder, result).await
    }

    async fn other_runs(
        &self,
        run: &Run,
        period: Option<RangeInclusive<Date>>,
    ) -> Result<OtherRuns, LedgerError> {
        repeats::other_runs(&*self.connection().await?, run, period.as_ref()).await
    }

    async fn already_ran(
        &self,
        run: &Run,
        period: RangeInclusive<Date>,
        chunk: &Chunk,
        numbers: Vec<u64>,
    ) -> Result<HashSet<u64>, LedgerError> {
        let (connection, chunk) = (self.connection().await?, chunk.first_made_as());
        repeats::already_ran(&*connection, run, &period, chunk, &numbers).await
    }

    async fn open_earlier(
        &self,
        run: &Run,
        numbers: Vec<u64>,
    ) -> Result<HashMap<u64, usize>, LedgerError> {
        repeats::open_earlier(&*self.connection().await?, run, &numbers).await
    }

    async fn tenant_names(&self, numbers: Vec<u64>) -> Result<HashMap<u64, TenantId>, LedgerError> {
        tenants::tenant_names(&*self.connection().await?, &numbers).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, LedgerError> {
        runs::run(&*self.connection().await?, id).await
    }

    async fn runs(&self, query: RunQuery) -> Result<Vec<Run>, LedgerError> {
        runs::runs(&*self.connection().await?, &query).await
    }

    async fn outcomes(
        &self,
        query: OutcomeQuery,
    ) -> Result<(Vec<OutcomeRecord>, Option<String>), LedgerError> {
        outcomes::outcomes(&*self.connection().await?, &query).await
    }

    async fn disk_usage(&self) -> Result<DiskUsage, LedgerError> {
        Ok(self.db.disk_usage().await?)
    }

    fn news(&self) -> watch::Receiver<Heard> {
        self.news.clone()
    }
}
