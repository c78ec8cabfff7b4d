//! The trait that both databases implement.
//!
//! Fifteen parts of it are traits of their own, each in the module that says what the part is for.
//! A caller that needs one part takes that part, such as `&dyn CompletenessLedger`. What stands
//! here is the way of an occurrence, from the plan to the outcome.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use async_trait::async_trait;
use cohort_database::{DiskUsage, Heard};
use cohort_preferences::{JobId, PreferenceGroup, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::watch;

use crate::sealed::Sealed;
use crate::{
    AgentLedger, BacklogLedger, Chunk, ChunkResult, Claim, CompletenessLedger, DefinitionLedger,
    ErasureLedger, ExplainLedger, FairLedger, FiringName, HealthLedger, LedgerError, MembersRead,
    OperationLedger, OtherRuns, OutcomeQuery, OutcomeRecord, Plan, RecordLedger, RecoveryLedger,
    RerunLedger, RescueLedger, RetentionLedger, Run, RunId, RunQuery, SelectionLedger,
    StatusLedger, UnprocessedReason, Watermark,
};

/// The durable record, whatever database holds it.
///
/// What a function writes, it writes as a whole or not at all. If only its reply was lost, it has
/// been done: a claim then ends with its lease, and a second recording finds its claim gone.
/// Whether another try is worth it is a question to the error
/// ([`DatabaseError::is_transient`](cohort_database::DatabaseError::is_transient)).
#[async_trait]
pub trait Ledger:
    Sealed
    + DefinitionLedger
    + AgentLedger
    + ErasureLedger
    + ExplainLedger
    + CompletenessLedger
    + SelectionLedger
    + OperationLedger
    + RerunLedger
    + RecordLedger
    + RetentionLedger
    + BacklogLedger
    + RescueLedger
    + FairLedger
    + HealthLedger
    + RecoveryLedger
    + StatusLedger
{
    /// Returns up to when the job is planned. A job that is new begins at `now` (F1).
    async fn ensure_job(&self, job: &JobId, now: Timestamp) -> Result<Watermark, LedgerError>;

    /// Advances the job's watermark and opens the runs planned up to it, in one transaction.
    /// Returns those that no other agent had opened (F3).
    ///
    /// # Errors
    /// [`LedgerError::OtherTzdb`] if the plan was made by another time zone database than the
    /// ledger's; then nothing has changed.
    async fn open_runs(
        &self,
        job: &JobId,
        plan: Plan,
        now: Timestamp,
    ) -> Result<Vec<RunId>, LedgerError>;

    /// Returns which occurrences of a job have a run, from this nominal date on.
    async fn named_since(
        &self,
        job: &JobId,
        date: Date,
    ) -> Result<HashSet<(PreferenceGroup, FiringName)>, LedgerError>;

    /// Returns runs of the same priority, feature and instant as this one, of which no members have
    /// been read yet.
    async fn unread_beside(
        &self,
        run: &Run,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Run>, LedgerError>;

    /// Puts pages of members of different runs into chunks claimed by this agent, in one
    /// transaction. Returns the chunks of each page, or `None` for a page that another agent has
    /// read already.
    async fn add_members(
        &self,
        pages: Vec<MembersRead<'_>>,
    ) -> Result<Vec<Option<Vec<Chunk>>>, LedgerError>;

    /// Notes that the run's members could not be read, and until when to wait before the next try.
    async fn postpone_reading(&self, run: RunId, until: Timestamp) -> Result<(), LedgerError>;

    /// Ends the reading of a run whose members are no longer to be read. `unread` of them get no
    /// outcome of their own: they count as missed or, by the reason, as skipped. Without a number
    /// the run stays open, and its members are to be counted later.
    async fn give_up_reading(
        &self,
        run: RunId,
        reason: UnprocessedReason,
        unread: Option<u64>,
        now: Timestamp,
    ) -> Result<(), LedgerError>;

    /// Makes this agent's claims of these chunks last longer. A claim that has run out already does
    /// not come back.
    async fn renew_claims(&self, claim: Claim, chunks: Vec<i64>) -> Result<(), LedgerError>;

    /// Makes every chunk ready that this holder has claimed: it hands them back (F6). Returns how
    /// many.
    async fn release_chunks(&self, holder: &str, now: Timestamp) -> Result<usize, LedgerError>;

    /// Records what an attempt made of a chunk.
    ///
    /// # Errors
    /// [`LedgerError::LostClaim`] if the claim has passed on; then nothing is recorded.
    async fn record_outcomes(&self, result: ChunkResult) -> Result<(), LedgerError>;

    /// Returns whether there are other runs of the job that may have users of this one. `period` is
    /// the time in which the job runs a user once (M6), if there is one. Mostly there are none, and
    /// then no user has to be looked up.
    async fn other_runs(
        &self,
        run: &Run,
        period: Option<RangeInclusive<Date>>,
    ) -> Result<OtherRuns, LedgerError>;

    /// Returns which of these users of a chunk the job has run on these nominal dates in another
    /// group, or is to run there (M6). Of two chunks in which a user is open, the one that was made
    /// first counts, so that exactly one of them gives way. Runs of the same instant are left out:
    /// they share no users (M1).
    async fn already_ran(
        &self,
        run: &Run,
        period: RangeInclusive<Date>,
        chunk: &Chunk,
        numbers: Vec<u64>,
    ) -> Result<HashSet<u64>, LedgerError>;

    /// Returns in how many runs of the job of an earlier instant each of these users is still open
    /// (F10); users who are open in none are left out. All runs in which a user was requeued count
    /// as one, and only if there is no other.
    async fn open_earlier(
        &self,
        run: &Run,
        numbers: Vec<u64>,
    ) -> Result<HashMap<u64, usize>, LedgerError>;

    /// Returns the names of these users.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] if one of them has none.
    async fn tenant_names(&self, numbers: Vec<u64>) -> Result<HashMap<u64, TenantId>, LedgerError>;

    /// Returns a run; `None` if there is none of this number.
    async fn run(&self, id: RunId) -> Result<Option<Run>, LedgerError>;

    /// Returns runs, newest first.
    async fn runs(&self, query: RunQuery) -> Result<Vec<Run>, LedgerError>;

    /// Returns outcomes by run and place, and the cursor of the next page.
    async fn outcomes(
        &self,
        query: OutcomeQuery,
    ) -> Result<(Vec<OutcomeRecord>, Option<String>), LedgerError>;

    /// Returns how much room the ledger takes, and how much is left (F13).
    async fn disk_usage(&self) -> Result<DiskUsage, LedgerError>;

    /// Changes when another agent may have opened runs or made chunks ready: a reason to look, and
    /// no more than that (F9).
    fn news(&self) -> watch::Receiver<Heard>;
}
