//! The way of an occurrence from the plan to the outcome, on SQLite.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use async_trait::async_trait;
use cohort_database::{DiskUsage, Heard};
use cohort_preferences::{JobId, PreferenceGroup, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::watch;

use super::members::Page;
use super::{
    SqliteLedger, claims, jobs, members, outcomes, record_outcomes, repeats, runs, tenants,
};
use crate::{
    Chunk, ChunkResult, Claim, FiringName, Ledger, LedgerError, MembersRead, OtherRuns,
    OutcomeQuery, OutcomeRecord, Plan, Run, RunId, RunQuery, UnprocessedReason, Watermark,
};

#[async_trait]
impl Ledger for SqliteLedger {
    async fn ensure_job(&self, job: &JobId, now: Timestamp) -> Result<Watermark, LedgerError> {
        let job = job.clone();
        self.db.write(move |tx| jobs::ensure_job(tx, &job, now)).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(%job, runs = plan.runs.len()))]
    async fn open_runs(
        &self,
        job: &JobId,
        plan: Plan,
        now: Timestamp,
    ) -> Result<Vec<RunId>, LedgerError> {
        let job = job.clone();
        self.db.write(move |tx| runs::open_runs(tx, &job, &plan, now)).await
    }

    async fn named_since(
        &self,
        job: &JobId,
        date: Date,
    ) -> Result<HashSet<(PreferenceGroup, FiringName)>, LedgerError> {
        let job = job.clone();
        self.db.read(move |tx| runs::named_since(tx, &job, date)).await
    }

    async fn unread_beside(
        &self,
        run: &Run,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Run>, LedgerError> {
        let run = run.id;
        self.db.read(move |tx| runs::unread_beside(tx, run, now, limit)).await
    }

    #[tracing::instrument(level = "debug", skip_all, fields(pages = pages.len()))]
    async fn add_members(
        &self,
        pages: Vec<MembersRead<'_>>,
    ) -> Result<Vec<Option<Vec<Chunk>>>, LedgerError> {
        let pages: Vec<Page> = pages.into_iter().map(Page::of).collect();
        self.db
            .write(move |tx| pages.iter().map(|page| members::add_members(tx, page)).collect())
            .await
    }

    async fn postpone_reading(&self, run: RunId, until: Timestamp) -> Result<(), LedgerError> {
        self.db.write(move |tx| members::postpone_reading(tx, run, until)).await
    }

    async fn give_up_reading(
        &self,
        run: RunId,
        reason: UnprocessedReason,
        unread: Option<u64>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.db.write(move |tx| members::give_up_reading(tx, run, reason, unread, now)).await
    }

    async fn renew_claims(&self, claim: Claim, chunks: Vec<i64>) -> Result<(), LedgerError> {
        self.db.write(move |tx| claims::renew_claims(tx, &claim, &chunks)).await
    }

    async fn release_chunks(&self, holder: &str, now: Timestamp) -> Result<usize, LedgerError> {
        let holder = holder.to_owned();
        self.db.write(move |tx| claims::release_chunks(tx, &holder, now)).await
    }

    #[tracing::instrument(
        level = "debug",
        skip_all,
        fields(run = %result.run, chunk = result.chunk, outcomes = result.outcomes.len())
    )]
    async fn record_outcomes(&self, result: ChunkResult) -> Result<(), LedgerError> {
        self.db.write(move |tx| record_outcomes::record_outcomes(tx, &result)).await
    }

    async fn other_runs(
        &self,
        run: &Run,
        period: Option<RangeInclusive<Date>>,
    ) -> Result<OtherRuns, LedgerError> {
        let run = run.clone();
        self.db.read(move |tx| repeats::other_runs(tx, &run, period.as_ref())).await
    }

    async fn already_ran(
        &self,
        run: &Run,
        period: RangeInclusive<Date>,
        chunk: &Chunk,
        numbers: Vec<u64>,
    ) -> Result<HashSet<u64>, LedgerError> {
        let (run, chunk) = (run.clone(), chunk.first_made_as());
        self.db.read(move |tx| repeats::already_ran(tx, &run, &period, chunk, &numbers)).await
    }

    async fn open_earlier(
        &self,
        run: &Run,
        numbers: Vec<u64>,
    ) -> Result<HashMap<u64, usize>, LedgerError> {
        let run = run.clone();
        self.db.read(move |tx| repeats::open_earlier(tx, &run, &numbers)).await
    }

    async fn tenant_names(&self, numbers: Vec<u64>) -> Result<HashMap<u64, TenantId>, LedgerError> {
        self.db.read(move |tx| tenants::tenant_names(tx, &numbers)).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, LedgerError> {
        self.db.read(move |tx| runs::run(tx, id)).await
    }

    async fn runs(&self, query: RunQuery) -> Result<Vec<Run>, LedgerError> {
        self.db.read(move |tx| runs::runs(tx, &query)).await
    }

    async fn outcomes(
        &self,
        query: OutcomeQuery,
    ) -> Result<(Vec<OutcomeRecord>, Option<String>), LedgerError> {
        self.db.read(move |tx| outcomes::outcomes(tx, &query)).await
    }

    async fn disk_usage(&self) -> Result<DiskUsage, LedgerError> {
        Ok(self.db.disk_usage().await?)
    }

    fn news(&self) -> watch::Receiver<Heard> {
        self.silence.subscribe()
    }
}
