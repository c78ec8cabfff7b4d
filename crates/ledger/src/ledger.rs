//! The trait that both databases implement.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use async_trait::async_trait;
use cohort_database::Heard;
use cohort_preferences::{JobId, PreferenceGroup, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::watch;

use crate::{
    AgentLedger, BacklogLedger, Chunk, ChunkResult, Claim, CompletenessLedger, DefinitionLedger,
    ErasureLedger, ExplainLedger, FairLedger, FiringName, LedgerError, MembersRead,
    OperationLedger, OtherRuns, OutcomeQuery, OutcomeRecord, Plan, RecordLedger, RescueLedger,
    RetentionLedger, Run, RunId, RunQuery, ThrottleLedger, UnprocessedReason, Watermark,
};

/// The durable record, whatever database holds it.
#[async_trait]
pub trait Ledger:
    DefinitionLedger
    + AgentLedger
    + ErasureLedger
    + ExplainLedger
    + CompletenessLedger
    + OperationLedger
    + RecordLedger
    + RetentionLedger
    + BacklogLedger
    + RescueLedger
    + FairLedger
    + ThrottleLedger
{
    /// The job's mark; a job that is new starts at `now` (F1).
    async fn ensure_job(&self, job: &JobId, now: Timestamp) -> Result<Watermark, LedgerError>;

    /// Advances the job's mark and opens the runs planned up to it, in one transaction. Answers
    /// those that no other agent had opened (F3).
    ///
    /// # Errors
    /// [`LedgerError::OtherTzdb`] if the plan is by another time zone database than the ledger's;
    /// nothing has changed then.
    async fn open_runs(
        &self,
        job: &JobId,
        plan: Plan,
        now: Timestamp,
    ) -> Result<Vec<RunId>, LedgerError>;

    /// Which occurrences of a job have a run, of this nominal date or later.
    async fn named_since(
        &self,
        job: &JobId,
        date: Date,
    ) -> Result<HashSet<(PreferenceGroup, FiringName)>, LedgerError>;

    /// Runs as urgent as this one, of its feature and its instant, of whose members none has been
    /// read either.
    async fn unread_beside(
        &self,
        run: &Run,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Run>, LedgerError>;

    /// Puts pages of members of different runs into chunks claimed by this agent, in one
    /// transaction; `None` for a page that another agent has read already.
    async fn add_members(
        &self,
        pages: Vec<MembersRead<'_>>,
    ) -> Result<Vec<Option<Vec<Chunk>>>, LedgerError>;

    /// Notes that the run's members could not be read, and until when to wait.
    async fn postpone_reading(&self, run: RunId, until: Timestamp) -> Result<(), LedgerError>;

    /// Ends the reading of a run whose members are not to be read any more: so many of them get no
    /// outcome of their own, and are missed or, by the reason, skipped. Without a number the run
    /// stays open, to be counted later.
    async fn give_up_reading(
        &self,
        run: RunId,
        reason: UnprocessedReason,
        unread: Option<u64>,
        now: Timestamp,
    ) -> Result<(), LedgerError>;

    /// Makes this agent's claims of these chunks last longer; one that has run out already does not
    /// come back.
    async fn renew_claims(&self, claim: Claim, chunks: Vec<i64>) -> Result<(), LedgerError>;

    /// Makes every chunk ready that this holder has claimed and hands back (F6). Returns how many.
    async fn release_chunks(&self, holder: &str, now: Timestamp) -> Result<usize, LedgerError>;

    /// Records what an attempt made of a chunk, if the claim still holds.
    async fn record_outcomes(&self, settlement: ChunkResult) -> Result<(), LedgerError>;

    /// Whether there are runs of the job that may hold users of this one; the period is that in
    /// which it runs a user once (M6), if there is one. Mostly there are none, and nobody has to be
    /// looked up.
    async fn other_runs(
        &self,
        run: &Run,
        period: Option<RangeInclusive<Date>>,
    ) -> Result<OtherRuns, LedgerError>;

    /// Which of these users of a chunk the job has run on these nominal dates in another group, or
    /// is to run there (M6). Of two chunks in which a user is open the one that was made first
    /// counts, so that exactly one of them gives way. Runs of the same instant are left out: they
    /// share nobody (M1).
    async fn already_ran(
        &self,
        run: &Run,
        period: RangeInclusive<Date>,
        chunk: &Chunk,
        numbers: Vec<u64>,
    ) -> Result<HashSet<u64>, LedgerError>;

    /// In how many runs of the job of an earlier instant each of these users is still open; who is
    /// in none is left out (F10). All in which a user was requeued count as one, and only if there
    /// is no other.
    async fn open_earlier(
        &self,
        run: &Run,
        numbers: Vec<u64>,
    ) -> Result<HashMap<u64, usize>, LedgerError>;

    /// The names of these users.
    async fn tenant_names(&self, numbers: Vec<u64>) -> Result<HashMap<u64, TenantId>, LedgerError>;

    /// One run.
    async fn run(&self, id: RunId) -> Result<Option<Run>, LedgerError>;

    /// A list of runs, newest first.
    async fn runs(&self, query: RunQuery) -> Result<Vec<Run>, LedgerError>;

    /// A list of outcomes in the order of runs and places, and the cursor of the next page.
    async fn outcomes(
        &self,
        query: OutcomeQuery,
    ) -> Result<(Vec<OutcomeRecord>, Option<String>), LedgerError>;

    /// Changes when somebody may have opened runs or made chunks ready: a reason to look, and no
    /// more (F9).
    fn news(&self) -> watch::Receiver<Heard>;
}
