//! A ledger under fate.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use cohort_batch_agent::{
    AgentLedger, AgentSign, AttemptQuery, AttemptRecord, BacklogLedger, Chunk, ChunkResult, Claim,
    CompletenessLedger, Definition, DefinitionEdit, DefinitionKind, DefinitionLedger,
    ErasureLedger, ExplainLedger, FairLedger, FeedPage, FiringName, HealthLedger, JobStanding,
    JobWork, Lane, Ledger, LedgerError, MemberStanding, MembersQueued, MembersRead, NewRerun,
    OpenRuns, OpenWork, OperationLedger, OtherRuns, OutcomeQuery, OutcomeRecord, Plan, Pruned,
    PurposeHealth, RecordLedger, Recovery, RecoveryChoice, RecoveryLedger, RepeatedPage, Requeue,
    RerunLedger, RescueLedger, RetentionLedger, Run, RunId, RunOnRecord, RunQuery, SelectedCount,
    SelectedWork, Selection, SelectionLedger, StatusLedger, StoredDefinitions, TzdbStanding,
    UnprocessedReason, Waiting, Watermark,
};
use cohort_database::{DatabaseError, DiskUsage, Heard};
use cohort_ledger::Sealed;
use cohort_preferences::{JobId, PreferenceGroup, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::watch;

use super::{Fate, Moment, Point, at_once};

/// A ledger under fate.
pub(crate) struct FaultyLedger {
    ledger: Arc<dyn Ledger>,
    fate: Arc<dyn Fate>,
    begun: AtomicU64,
    silence: watch::Sender<Heard>,
}

impl FaultyLedger {
    pub(crate) fn new(ledger: Arc<dyn Ledger>, fate: Arc<dyn Fate>) -> Self {
        Self {
            ledger,
            fate,
            begun: AtomicU64::new(0),
            silence: watch::Sender::new(Heard { payload: None, connections: 1 }),
        }
    }

    async fn under_fate<T: Send + 'static>(
        &self,
        operation: &'static str,
        done: impl Future<Output = Result<T, LedgerError>> + Send,
    ) -> Result<T, LedgerError> {
        let failed = |_refused| {
            LedgerError::Database(DatabaseError::Commit(Arc::new(DatabaseError::Closed)))
        };
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        self.fate
            .meet(Point { moment: Moment::Before, operation, number })
            .await
            .map_err(failed)?;
        let result = at_once(done);
        if let Ok(returned) = &result {
            self.fate.overhear(returned);
        }
        self.fate.meet(Point { moment: Moment::After, operation, number }).await.map_err(failed)?;
        result
    }
}

impl Sealed for FaultyLedger {}

under_fate! {
    (Ledger for FaultyLedger) in ledger, LedgerError {
        fn ensure_job(job: &JobId, now: Timestamp) -> Watermark;
        fn open_runs(job: &JobId, plan: Plan, now: Timestamp) -> Vec<RunId>;
        fn named_since(job: &JobId, date: Date) -> HashSet<(PreferenceGroup, FiringName)>;
        fn unread_beside(run: &Run, now: Timestamp, limit: usize) -> Vec<Run>;
        fn add_members(pages: Vec<MembersRead<'_>>) -> Vec<Option<Vec<Chunk>>>;
        fn postpone_reading(run: RunId, until: Timestamp) -> ();
        fn give_up_reading(run: RunId, reason: UnprocessedReason, unread: Option<u64>,
            now: Timestamp) -> ();
        fn renew_claims(claim: Claim, chunks: Vec<i64>) -> ();
        fn release_chunks(holder: &str, now: Timestamp) -> usize;
        fn record_outcomes(result: ChunkResult) -> ();
        fn other_runs(run: &Run, period: Option<RangeInclusive<Date>>) -> OtherRuns;
        fn already_ran(run: &Run, period: RangeInclusive<Date>, chunk: &Chunk,
            numbers: Vec<u64>) -> HashSet<u64>;
        fn open_earlier(run: &Run, numbers: Vec<u64>) -> HashMap<u64, usize>;
        fn tenant_names(numbers: Vec<u64>) -> HashMap<u64, TenantId>;
        fn run(id: RunId) -> Option<Run>;
        fn runs(query: RunQuery) -> Vec<Run>;
        fn disk_usage() -> DiskUsage;
        fn outcomes(query: OutcomeQuery) -> (Vec<OutcomeRecord>, Option<String>);
    }

    /// Nothing is ever heard: the agents look for work by themselves (F9).
    fn news(&self) -> watch::Receiver<Heard> {
        self.silence.subscribe()
    }
}

under_fate! {
    (DefinitionLedger for FaultyLedger) in ledger, LedgerError {
        fn definition_revision() -> u64;
        fn definitions() -> StoredDefinitions;
        fn definition_versions(kind: DefinitionKind, name: &str) -> Vec<Definition>;
        fn store_definitions(edit: DefinitionEdit) -> ();
        fn started_with(agent: &str) -> Option<serde_json::Value>;
        fn pause_job(job: &JobId, now: Timestamp) -> bool;
        fn resume_job(job: &JobId, now: Timestamp) -> bool;
    }
}

under_fate! {
    (AgentLedger for FaultyLedger) in ledger, LedgerError {
        fn renew_agent(sign: AgentSign) -> TzdbStanding;
        fn forget_agent(agent: &str) -> ();
        fn agents() -> Vec<AgentSign>;
    }
}

under_fate! {
    (OperationLedger for FaultyLedger) in ledger, LedgerError {
        fn cancel_run(run: RunId, now: Timestamp) -> Run;
        fn canceled_runs() -> HashSet<RunId>;
        fn cancel_runs(selection: &Selection, now: Timestamp) -> OpenRuns;
        fn stop(jobs: &[JobId], selection: &Selection, now: Timestamp) -> OpenRuns;
        fn requeue(requeue: Requeue) -> u64;
    }
}

under_fate! {
    (SelectionLedger for FaultyLedger) in ledger, LedgerError {
        fn selected(selection: &Selection, before: Option<(RunId, u64)>, limit: usize)
            -> Vec<SelectedWork>;
        fn count_selected(selection: &Selection) -> SelectedCount;
        fn selected_users(selection: &Selection, limit: usize) -> Vec<TenantId>;
        fn count_open_runs(selection: &Selection) -> OpenRuns;
        fn tenant_numbers(names: Vec<TenantId>) -> HashMap<TenantId, u64>;
    }
}

under_fate! {
    (RerunLedger for FaultyLedger) in ledger, LedgerError {
        fn open_reruns(reruns: Vec<NewRerun>, now: Timestamp) -> Vec<RunId>;
        fn repeated_page(run: &Run, limit: usize) -> RepeatedPage;
        fn queue_repeated(run: &Run, page: RepeatedPage, chunk_size: usize, now: Timestamp)
            -> Option<u64>;
        fn unread_of_rerun(run: &Run) -> u64;
    }
}

under_fate! {
    (ExplainLedger for FaultyLedger) in ledger, LedgerError {
        fn kept_since() -> Option<Timestamp>;
        fn job_standing(job: &JobId) -> Option<JobStanding>;
        fn run_named(job: &JobId, group: &PreferenceGroup, nominal: FiringName) -> Option<Run>;
        fn runs_by_hand(job: &JobId, span: Range<Timestamp>) -> Vec<Timestamp>;
        fn member_standings(job: &JobId, number: u64, at: Timestamp) -> Vec<MemberStanding>;
    }
}

under_fate! {
    (StatusLedger for FaultyLedger) in ledger, LedgerError {
        fn prove_writable(now: Timestamp) -> ();
        fn job_work(ended_since: Timestamp, trouble_since: Timestamp)
            -> BTreeMap<JobId, JobWork>;
    }
}

under_fate! {
    (RetentionLedger for FaultyLedger) in ledger, LedgerError {
        fn prune(cutoff: Timestamp, rows: usize) -> Pruned;
    }
}

/// Readers of the record are none of the agent's loops.
#[async_trait]
impl RecordLedger for FaultyLedger {
    async fn outcome_feed(
        &self,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<FeedPage, LedgerError> {
        self.ledger.outcome_feed(cursor, limit).await
    }

    fn recorded(&self) -> watch::Receiver<()> {
        self.ledger.recorded()
    }

    async fn attempts(
        &self,
        run: RunId,
        query: AttemptQuery,
    ) -> Result<(Vec<AttemptRecord>, Option<String>), LedgerError> {
        self.ledger.attempts(run, query).await
    }
}

under_fate! {
    (BacklogLedger for FaultyLedger) in ledger, LedgerError {
        fn backlog(now: Timestamp) -> Vec<Waiting>;
        fn coming() -> Vec<Waiting>;
        fn next_run_to_read(lane: &Lane, now: Timestamp) -> Option<Run>;
        fn claim_chunks(lane: &Lane, claim: Claim, limit: usize) -> Vec<Chunk>;
        fn claim_ended(lane: &Lane, claim: Claim, due_before: Timestamp,
            limit: usize) -> Vec<Chunk>;
        fn claim_suspect(lane: &Lane, claim: Claim) -> Option<Chunk>;
    }
}

under_fate! {
    (RescueLedger for FaultyLedger) in ledger, LedgerError {
        fn rescue_chunks(now: Timestamp) -> usize;
        fn take_back_chunks(holder: &str, now: Timestamp) -> usize;
        fn split_chunk(chunk: &Chunk, now: Timestamp) -> ();
    }
}

under_fate! {
    (FairLedger for FaultyLedger) in ledger, LedgerError {
        fn queue_members(page: MembersQueued<'_>) -> bool;
    }
}

under_fate! {
    (HealthLedger for FaultyLedger) in ledger, LedgerError {
        fn purpose_health() -> Vec<PurposeHealth>;
        fn store_health(health: &PurposeHealth) -> bool;
    }
}

under_fate! {
    (RecoveryLedger for FaultyLedger) in ledger, LedgerError {
        fn recovery() -> Option<Recovery>;
        fn decide_recovery(choice: RecoveryChoice, by: String, now: Timestamp) -> Option<Recovery>;
        fn note_names_compared(now: Timestamp) -> ();
    }
}

under_fate! {
    (CompletenessLedger for FaultyLedger) in ledger, LedgerError {
        fn runs_between(job: &JobId, from: Timestamp, until: Timestamp) -> Vec<RunOnRecord>;
        fn open_work(now: Timestamp) -> OpenWork;
    }
}

under_fate! {
    (ErasureLedger for FaultyLedger) in ledger, LedgerError {
        fn erased_until() -> Option<String>;
        fn erase(numbers: Vec<u64>, until: String) -> ();
        fn named_tenants(after: u64, limit: usize) -> Vec<(u64, TenantId)>;
    }
}
