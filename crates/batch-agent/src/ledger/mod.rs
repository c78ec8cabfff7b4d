//! The ledger: the durable record of what was to be done and how it ended.
//!
//! ```text
//! open_runs ──► run: reading ──add_members──► run: processing ──last outcome──► run: closed
//!                      │ a page of members, cut into chunks
//!                      ▼
//!               chunk: claimed ──record_outcomes──► chunk: done
//!                   ▲      │ some may succeed later
//!            claim_chunks  ▼
//!                   chunk: ready
//! ```
//!
//! * Opening a run is an insert under a unique key; that insert is the election among agents (F3).
//! * Chunks are born claimed by the agent that read the page, so that settings need not be read
//!   twice. What it cannot finish, because it died or the lease ran out, becomes ready again and is
//!   claimed by whoever has hands (F9).
//! * What waits stands in lanes, one a job and priority; which lane is next is for the claimer to
//!   say (`backlog`, D7).
//! * A chunk whose holders die is split, and a user whose holders die fails alone (`deaths`, D5).
//! * Every claim raises the chunk's token, and the statement that records outcomes checks it: an
//!   agent that was paused past its lease records nothing (F3).
//! * Outcomes, the chunk and the run's counters change in one transaction; the last outcome closes
//!   the run (D2).
//! * Operators act on runs here: they cancel them, and requeue who failed (`acts`, D6).
//! * What was recorded is told to others as a feed (`record`, F7), and kept for a time
//!   (`retention`).
//! * The agents are known here, and by which time zone database they plan (`agents`, T11).
//! * Jobs and purposes are kept here too, in versions (`definitions`); each run records the version
//!   of its job.
//!
//! What may fail: the disk. Then nothing is claimed, so nothing is handed to a handler (F5).

mod accounting;
mod acts;
mod agents;
mod backlog;
#[cfg(test)]
mod conformance;
mod deaths;
mod definitions;
mod erasure;
mod explain;
mod fair;
mod firing;
mod outcome;
mod pace;
mod postgres;
mod record;
mod retention;
mod sqlite;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::RangeInclusive;

use async_trait::async_trait;
use cohort_database::Heard;
use cohort_preferences::{
    FeatureType, GroupError, JobId, PreferenceGroup, Priority, StatedGroup, TenantId,
};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use accounting::{AccountingLedger, OpenWork, RunAccount};
pub use acts::{ActLedger, DeadLetter, DeadLetterQuery, Requeue, Requeued};
pub use agents::{AgentLedger, AgentSign, TzdbRelease, TzdbStanding};
pub use backlog::{BacklogLedger, Lane, Waiting, WaitingWork};
pub use deaths::{Fate, RescueLedger};
pub use definitions::{
    Alteration, Definition, DefinitionEdit, DefinitionKind, DefinitionLedger, Pause, StartedWith,
    StoredDefinitions,
};
pub use erasure::ErasureLedger;
pub use explain::{
    ChunkStanding, ChunkState, ExplainLedger, FailedAttempt, JobStanding, Place, WorkStanding,
};
pub use fair::{FairLedger, MembersQueued};
pub use firing::{Firing, FiringName};
pub use outcome::{
    FailedReason, MissedReason, Outcome, OutcomeRecord, SkippedReason, Status, StatusName,
    UnprocessedReason,
};
pub use pace::PaceLedger;
pub use postgres::PostgresLedger;
pub use record::{AttemptQuery, AttemptRecord, AttemptStatus, FeedPage, RecordLedger};
pub use retention::{LedgerRetention, Pruned, RetentionError, RetentionLedger};
pub use sqlite::SqliteLedger;

/// A run's number in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The processing of one occurrence of one group by one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Which job.
    pub job_id: JobId,
    /// The version of the job that was in force when it was opened; `None` for a job that is not
    /// stored.
    pub job_version: Option<u32>,
    /// Of which feature.
    pub feature_type: FeatureType,
    /// Of which group.
    #[serde(flatten)]
    pub group: PreferenceGroup,
    /// Of which occurrence.
    #[serde(flatten)]
    pub occurrence: Firing,
    /// How far it is.
    pub state: RunState,
    /// Why members have no outcome of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<UnprocessedReason>,
    /// How many members ended how.
    #[serde(flatten)]
    pub counts: Counts,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When an operator canceled it; `None` again once it was reopened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canceled_at: Option<Timestamp>,
    /// When its last outcome was recorded.
    pub closed_at: Option<Timestamp>,
    /// The stated groups whose members it has.
    #[serde(skip)]
    pub stated: Vec<StatedGroup>,
    /// Where in the member list the next page begins; `None` before the first.
    #[serde(skip)]
    pub cursor: Option<String>,
    /// How often its member list could not be read.
    #[serde(skip)]
    pub read_faults: u32,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Members are still to be read, or, where there is a reason not to process them, to be
    /// counted.
    Reading,
    /// All members are in chunks; some have no outcome yet.
    Processing,
    /// Every member has an outcome, or was missed.
    Closed,
}

impl RunState {
    /// The state as it stands in the record.
    fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Processing => "processing",
            Self::Closed => "closed",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Reading, Self::Processing, Self::Closed]
            .into_iter()
            .find(|state| state.as_str() == name)
    }
}

/// How many members of a run ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Members put into chunks so far.
    pub members: u64,
    /// Whose work succeeded.
    pub succeeded: u64,
    /// Whose work failed.
    pub failed: u64,
    /// Who were skipped.
    pub skipped: u64,
    /// Of those skipped: who were never put into a chunk, and have no outcome of their own; the
    /// run's reason says why.
    pub unread: u64,
    /// Who were never put into a chunk; the run's reason says why.
    pub missed: u64,
}

impl Counts {
    /// How many of these outcomes are which.
    fn of(outcomes: &[Outcome]) -> Self {
        let count =
            |name| outcomes.iter().filter(|outcome| outcome.status.name() == name).count() as u64;
        let [succeeded, failed, skipped] =
            [StatusName::Succeeded, StatusName::Failed, StatusName::Skipped].map(count);
        Self { succeeded, failed, skipped, ..Self::default() }
    }
}

impl Counts {
    /// Both together.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            members: self.members + other.members,
            succeeded: self.succeeded + other.succeeded,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
            missed: self.missed + other.missed,
            unread: self.unread + other.unread,
        }
    }
}

/// An occurrence to open a run for.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The version of the job; `None` for one that is not stored.
    pub job_version: Option<u32>,
    /// Of which feature.
    pub feature_type: FeatureType,
    /// Of which group.
    pub group: PreferenceGroup,
    /// The stated groups that make it up, as far as they are known.
    pub stated: Vec<StatedGroup>,
    /// Of which occurrence.
    pub occurrence: Firing,
    /// How urgent.
    pub priority: Priority,
    /// `Some` if it is not to be processed: why, and how many members that concerns (A1); `None` of
    /// these if they are still to be counted.
    pub unprocessed: Option<(UnprocessedReason, Option<u64>)>,
}

impl NewRun {
    /// How many members it begins with that were skipped, and that were missed.
    fn unprocessed_members(&self) -> (u64, u64) {
        match self.unprocessed {
            Some((UnprocessedReason::JobPaused | UnprocessedReason::Canceled, Some(members))) => {
                (members, 0)
            }
            Some((UnprocessedReason::Missed(_), Some(members))) => (0, members),
            Some((_, None)) | None => (0, 0),
        }
    }

    /// One that is not to be processed is closed at once, unless its members are still to be
    /// counted.
    fn state(&self) -> RunState {
        if self.unprocessed.is_some_and(|(_, members)| members.is_some()) {
            RunState::Closed
        } else {
            RunState::Reading
        }
    }
}

/// Up to when a job's occurrences are planned (F1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Everything up to here is planned.
    pub planned_until: Timestamp,
    /// Groups that came to be later than this were not yet known then.
    pub known_until: Timestamp,
    /// From here on everything is planned anew, because another time zone database was adopted
    /// (T11); `None`: nothing is.
    pub replan_from: Option<Timestamp>,
}

/// What is to be opened for a job.
#[derive(Debug)]
pub struct Plan {
    /// How far the job is planned with it. A `replan_from` says what it has planned anew, and a
    /// mark never goes back.
    pub mark: Mark,
    /// The runs.
    pub runs: Vec<NewRun>,
    /// The time zone database by which they were planned; `None` for a trigger, which no calendar
    /// names.
    pub tzdb: Option<TzdbRelease>,
}

/// At most 25 users of one run, claimed by this agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Its number.
    pub id: i64,
    /// Of which run.
    pub run: RunId,
    /// Whose outcome is still open.
    pub open: Vec<OpenMember>,
    /// Attempts begun before this claim.
    pub attempts: u32,
    /// Proves that the claim is this one (F3).
    pub token: i64,
    /// How many of its holders have died with it in hand (D5).
    pub deaths: u32,
    /// The chunk that was split into this one and others; `None` for one that was made of a page.
    pub split_from: Option<i64>,
}

/// A member of a chunk without an outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenMember {
    /// The member's place in the run.
    #[serde(rename = "o")]
    pub ordinal: u64,
    /// The Config Database's number for the tenant.
    #[serde(rename = "n")]
    pub number: u64,
    /// How often the handler was called for the member.
    #[serde(rename = "a", default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// The settings of the first attempt, which retries reuse (M3); `None` before it.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<UsedSettings>,
    /// That an operator requeued the member after a failure; `None` if not (D6).
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub requeued: Option<Requeued>,
}

impl OpenMember {
    /// Members of a new chunk, whose places in the run begin at `first`.
    fn in_order(first: u64, numbers: &[u64]) -> Vec<Self> {
        let member = |(ordinal, number): (u64, &u64)| Self {
            ordinal,
            number: *number,
            attempts: 0,
            settings: None,
            requeued: None,
        };
        (first..).zip(numbers).map(member).collect()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(attempts: &u32) -> bool {
    *attempts == 0
}

/// The settings that an attempt used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsedSettings {
    /// The preference's version (W2); 0 for a tenant who was served without one.
    #[serde(rename = "v")]
    pub version: u64,
    /// The overrides, defaults merged in.
    #[serde(rename = "t")]
    pub template_overrides: serde_json::Map<String, serde_json::Value>,
    /// When they were read.
    #[serde(rename = "r")]
    pub read_at: Timestamp,
    /// Whether they were older than the feed could vouch for (M3).
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

impl UsedSettings {
    /// The version of the preference that was used; `None` if there was none.
    pub fn stated_version(&self) -> Option<u64> {
        (self.version > 0).then_some(self.version)
    }
}

/// A page of members on its way into chunks.
#[derive(Debug)]
pub struct MembersRead<'a> {
    /// Of which run; its cursor says which page.
    pub run: &'a Run,
    /// Every stated group whose members the run has.
    pub stated: Vec<StatedGroup>,
    /// The members: number and name, ascending by number.
    pub members: Vec<(u64, TenantId)>,
    /// Where the next page begins; `None` if this was the last.
    pub next_cursor: Option<String>,
    /// The most users a chunk.
    pub chunk_size: usize,
    /// Who holds the chunks.
    pub claim: Claim,
}

/// Who claims chunks, when, and for how long.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The agent's name.
    pub holder: String,
    /// Now.
    pub at: Timestamp,
    /// When the claim ends if it is not renewed.
    pub lease_until: Timestamp,
}

/// What an attempt made of a chunk.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Which chunk, under which claim.
    pub chunk: i64,
    /// Its run.
    pub run: RunId,
    /// The claim's token.
    pub token: i64,
    /// Attempts begun, this one included.
    pub attempts: u32,
    /// The members that are done.
    pub outcomes: Vec<Outcome>,
    /// The members that may succeed later, and when to try.
    pub rest: Option<(Vec<OpenMember>, Timestamp)>,
    /// Those of the rest who were called, and what was said.
    pub retried: Vec<RetriedAttempt>,
    /// Now.
    pub at: Timestamp,
}

/// An attempt after which the member is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetriedAttempt {
    /// The member's place in the run.
    pub ordinal: u64,
    /// The Config Database's number for the tenant.
    pub number: u64,
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// What the handler or the network said.
    pub error: Option<String>,
}

impl Settlement {
    /// What becomes of the chunk: its state, who of it is still open, as JSON, and from when on it
    /// may be claimed.
    fn rest_of_chunk(&self) -> (&'static str, String, Timestamp) {
        match &self.rest {
            Some((open, at)) => ("ready", to_json(open), *at),
            None => ("done", "[]".into(), self.at),
        }
    }

    /// Whether there is work left that anybody may take over now.
    fn is_ready_at_once(&self) -> bool {
        self.rest.as_ref().is_some_and(|(_, at)| *at <= self.at)
    }
}

/// Which other runs of a job there are beside one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherRuns {
    /// Whether one of an earlier instant is open, and users may be open in it (F10).
    pub is_earlier_open: bool,
    /// Whether one of another group has members in the period (M6).
    pub is_in_period: bool,
}

/// Which outcomes to list; `None` does not restrict.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeQuery {
    /// Of one run.
    pub run: Option<RunId>,
    /// Of one job.
    pub job: Option<JobId>,
    /// Of one user.
    pub tenant: Option<TenantId>,
    /// With one status.
    pub status: Option<StatusName>,
    /// With one reason.
    pub reason: Option<String>,
    /// Whose detail has this in it.
    pub error: Option<String>,
    /// After this place, as `run:ordinal`; from the start if not given.
    pub cursor: Option<String>,
    /// The most wanted, up to 5,000.
    pub limit: Option<usize>,
}

/// The most outcomes a list answers at once.
const MOST_OUTCOMES_A_PAGE: usize = 5_000;

impl OutcomeQuery {
    /// The run and the place behind which the list begins; `None` from the start.
    fn after(&self) -> Result<Option<(i64, i64)>, LedgerError> {
        let Some(text) = self.cursor.as_deref() else { return Ok(None) };
        let parts = text
            .split_once(':')
            .and_then(|(run, ordinal)| Some((run.parse().ok()?, ordinal.parse().ok()?)));
        parts.map(Some).ok_or_else(|| LedgerError::Cursor(text.into()))
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(MOST_OUTCOMES_A_PAGE).clamp(1, MOST_OUTCOMES_A_PAGE)
    }
}

/// Which runs to list, newest first; `None` does not restrict.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunQuery {
    /// Of one job.
    pub job: Option<JobId>,
    /// In one state.
    pub state: Option<RunState>,
    /// Older than this run.
    pub before: Option<RunId>,
    /// The most wanted, up to 1,000.
    pub limit: Option<usize>,
}

/// The most runs a list answers at once.
const MOST_RUNS_A_PAGE: usize = 1_000;

impl RunQuery {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(MOST_RUNS_A_PAGE).min(MOST_RUNS_A_PAGE)
    }
}

/// Why the ledger could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database failed.
    #[error("writing or reading the ledger")]
    Database(#[from] cohort_database::DatabaseError),
    /// A row does not read back as what was written.
    #[error("reading a row of the ledger: {0}")]
    Corrupt(String),
    /// The claim has passed to another agent: nothing was recorded (F3).
    #[error("the claim of chunk {chunk} has passed to another agent")]
    LostClaim {
        /// Which chunk.
        chunk: i64,
    },
    /// Jobs or purposes were stored after the edit was decided on: read them again, and decide
    /// anew.
    #[error("jobs or purposes were stored meanwhile")]
    RevisionMoved,
    /// A plan by a time zone database that is not the ledger's (T11).
    #[error("planned by the time zone database {planned_by}, and the ledger goes by {in_force}")]
    OtherTzdb {
        /// The planner's.
        planned_by: TzdbRelease,
        /// The ledger's.
        in_force: TzdbRelease,
    },
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// A run that has ended cannot be canceled.
    #[error("run {run} was closed{}: nothing of it is left to cancel", since(*closed_at))]
    RunEnded {
        /// Which run.
        run: RunId,
        /// When.
        closed_at: Option<Timestamp>,
    },
    /// Nobody can be requeued in a run that is being canceled.
    #[error("run {0} is being canceled: who failed in it can be requeued once it is closed")]
    RunIsBeingCanceled(RunId),
    /// A cursor of another incarnation of the ledger, or behind what is kept (F7, F11).
    #[error(
        "this cursor belongs to another incarnation of the ledger, or to what is no longer kept: \
         list the outcomes, then follow from now"
    )]
    CursorGone,
    /// A cursor that no list gave out.
    #[error("cursor: expected one that an earlier page gave, got {0:?}")]
    Cursor(String),
}

fn since(closed_at: Option<Timestamp>) -> String {
    closed_at.map(|at| format!(" at {at}")).unwrap_or_default()
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<tokio_postgres::Error> for LedgerError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<GroupError> for LedgerError {
    fn from(error: GroupError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// The durable record, whatever database holds it.
#[async_trait]
pub trait Ledger:
    DefinitionLedger
    + AgentLedger
    + ErasureLedger
    + ExplainLedger
    + AccountingLedger
    + ActLedger
    + RecordLedger
    + RetentionLedger
    + BacklogLedger
    + RescueLedger
    + FairLedger
    + PaceLedger
{
    /// The job's mark; a job that is new starts at `now` (F1).
    async fn ensure_job(&self, job: &JobId, now: Timestamp) -> Result<Mark, LedgerError>;

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

    /// Makes every chunk ready that this holder has claimed and hands back (F6). Answers how many.
    async fn release_chunks(&self, holder: &str, now: Timestamp) -> Result<usize, LedgerError>;

    /// Records what an attempt made of a chunk, if the claim still holds.
    async fn record_outcomes(&self, settlement: Settlement) -> Result<(), LedgerError>;

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

/// How urgent a priority is as it stands in the record: 0 goes first (D7).
fn urgency(priority: Priority) -> i32 {
    match priority {
        Priority::Critical => 0,
        Priority::High => 1,
        Priority::Medium => 2,
        Priority::Low => 3,
    }
}

fn read_urgency(urgency: i32) -> Option<Priority> {
    [Priority::Critical, Priority::High, Priority::Medium, Priority::Low]
        .into_iter()
        .find(|priority| self::urgency(*priority) == urgency)
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("lists of plain values always have a JSON text")
}
