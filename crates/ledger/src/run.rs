//! A run: the processing of one occurrence of one group by one job; and what opens it.

use cohort_preferences::{FeatureType, JobId, PreferenceGroup, Priority, StatedGroup};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Firing, FiringName, LedgerError, Outcome, RunId, StatusName, TzdbRelease, UnprocessedReason,
};

/// The processing of one occurrence of one group by one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The job.
    pub job_id: JobId,
    /// The version of the job that was in force when it was opened; `None` for a job that is not
    /// stored.
    pub job_version: Option<u32>,
    /// The feature that the job serves.
    pub feature_type: FeatureType,
    /// The group whose users it has.
    #[serde(flatten)]
    pub group: PreferenceGroup,
    /// The occurrence that it processes.
    #[serde(flatten)]
    pub occurrence: Firing,
    /// How far it is.
    pub state: RunState,
    /// Why members have no outcome of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<UnprocessedReason>,
    /// How many members ended in which way.
    #[serde(flatten)]
    pub counts: Counts,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When an operator canceled it; `None` again once a requeue has reopened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canceled_at: Option<Timestamp>,
    /// When its last outcome was recorded; `None` while it is open.
    pub closed_at: Option<Timestamp>,
    /// The stated groups whose members it has.
    #[serde(skip)]
    pub stated: Vec<StatedGroup>,
    /// Where in the member list the next page begins; `None` before the first page.
    #[serde(skip)]
    pub cursor: Option<String>,
    /// How often in a row its member list could not be read.
    #[serde(skip)]
    pub read_faults: u32,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Members are still to be read or, if they are not to be processed, to be counted.
    Reading,
    /// All members are in chunks; some have no outcome yet.
    Processing,
    /// Every member has an outcome, or was missed.
    Closed,
}

impl RunState {
    /// The state as it stands in the record.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Processing => "processing",
            Self::Closed => "closed",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Reading, Self::Processing, Self::Closed]
            .into_iter()
            .find(|state| state.as_str() == name)
    }

    /// The state of a run after a page of its members was read.
    pub(crate) fn after_page(has_next: bool) -> Self {
        if has_next { Self::Reading } else { Self::Processing }
    }
}

impl Run {
    /// Whether an operator's cancel changes it; not if it is canceled already.
    ///
    /// # Errors
    /// [`LedgerError::RunEnded`] if it was closed without being canceled.
    pub(crate) fn cancel_changes(&self) -> Result<bool, LedgerError> {
        match (self.canceled_at, self.state) {
            (Some(_), _) => Ok(false),
            (None, RunState::Closed) => {
                Err(LedgerError::RunEnded { run: self.id, closed_at: self.closed_at })
            }
            (None, RunState::Reading | RunState::Processing) => Ok(true),
        }
    }
}

/// How many members of a run ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Members put into chunks so far.
    pub members: u64,
    /// Members whose work succeeded.
    pub succeeded: u64,
    /// Members whose work failed.
    pub failed: u64,
    /// Members who were skipped.
    pub skipped: u64,
    /// Of the skipped members, those who were never put into a chunk and have no outcome of their
    /// own; the run's reason says why.
    pub unread: u64,
    /// Members who were missed: they were never put into a chunk; the run's reason says why.
    pub missed: u64,
}

impl Counts {
    /// Counts these outcomes by their status.
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        let count =
            |name| outcomes.iter().filter(|outcome| outcome.status.name() == name).count() as u64;
        let [succeeded, failed, skipped] =
            [StatusName::Succeeded, StatusName::Failed, StatusName::Skipped].map(count);
        Self { succeeded, failed, skipped, ..Self::default() }
    }
}

impl Counts {
    /// The sum of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
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
    /// The feature that the job serves.
    pub feature_type: FeatureType,
    /// The group whose users it has.
    pub group: PreferenceGroup,
    /// The stated groups that make it up, as far as they are known.
    pub stated: Vec<StatedGroup>,
    /// The occurrence that it processes.
    pub occurrence: Firing,
    /// How urgent it is.
    pub priority: Priority,
    /// Why it is not to be processed, and how many members that concerns (A1), or no number while
    /// they are still to be counted. `None` if it is to be processed.
    pub unprocessed: Option<(UnprocessedReason, Option<u64>)>,
}

/// A job's pause that lasts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastingPause {
    pub(crate) since: Timestamp,
    /// Whether open work was ended with it (D14).
    pub(crate) is_stop: bool,
}

impl LastingPause {
    /// Why a run that a plan opens meanwhile is not to be processed; `None` if it is. The planner
    /// may not have heard of the pause.
    pub(crate) fn holds(self, occurrence: &Firing) -> Option<UnprocessedReason> {
        if occurrence.at >= self.since {
            Some(UnprocessedReason::JobPaused)
        } else {
            self.is_stop.then_some(UnprocessedReason::Canceled)
        }
    }
}

impl NewRun {
    /// The run as it is opened while the job's pause lasts: its members are counted later.
    pub(crate) fn under(&self, pause: LastingPause) -> Self {
        let held = pause.holds(&self.occurrence).map(|reason| (reason, None));
        Self { unprocessed: self.unprocessed.or(held), ..self.clone() }
    }

    /// How many members are skipped and how many are missed because it is not processed.
    pub(crate) fn unprocessed_members(&self) -> (u64, u64) {
        match self.unprocessed {
            Some((UnprocessedReason::JobPaused | UnprocessedReason::Canceled, Some(members))) => {
                (members, 0)
            }
            Some((UnprocessedReason::Missed(_), Some(members))) => (0, members),
            Some((_, None)) | None => (0, 0),
        }
    }

    /// The state in which it is opened. A run that is not to be processed is closed at once, unless
    /// its members are still to be counted.
    pub(crate) fn state(&self) -> RunState {
        if self.unprocessed.is_some_and(|(_, members)| members.is_some()) {
            RunState::Closed
        } else {
            RunState::Reading
        }
    }

    /// When it was closed; `None` if it is opened to be read.
    pub(crate) fn closed_at(&self, now: Timestamp) -> Option<Timestamp> {
        (self.state() == RunState::Closed).then_some(now)
    }
}

/// Up to when a job's occurrences are planned (F1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// Everything up to here is planned.
    pub planned_until: Timestamp,
    /// Groups that came into being later than this were not yet known then.
    pub known_until: Timestamp,
    /// From here on everything is planned anew, because the ledger went over to another time zone
    /// database (T11); `None` if nothing is.
    pub replan_from: Option<Timestamp>,
}

/// What is to be opened for a job.
#[derive(Debug)]
pub struct Plan {
    /// How far the job is planned with it. A `replan_from` says what the plan has planned anew; a
    /// watermark never goes back.
    pub watermark: Watermark,
    /// The runs to open.
    pub runs: Vec<NewRun>,
    /// The time zone database by which they were planned; `None` for a trigger, which no calendar
    /// names.
    pub tzdb: Option<TzdbRelease>,
}

/// Which runs to list, newest first; `None` does not restrict.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunQuery {
    /// Only those of this job.
    pub job: Option<JobId>,
    /// Only those in this state.
    pub state: Option<RunState>,
    /// Only those of this name, as of one trigger or rerun.
    pub nominal: Option<FiringName>,
    /// Only those older than this run.
    pub before: Option<RunId>,
    /// The most wanted, up to 1,000.
    pub limit: Option<usize>,
}

/// The most runs that a list returns at once.
const MOST_RUNS_A_PAGE: usize = 1_000;

impl RunQuery {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(MOST_RUNS_A_PAGE).min(MOST_RUNS_A_PAGE)
    }
}

/// A priority as it stands in the record: 0 goes first (D7).
pub(crate) fn urgency(priority: Priority) -> i32 {
    match priority {
        Priority::Critical => 0,
        Priority::High => 1,
        Priority::Medium => 2,
        Priority::Low => 3,
    }
}

pub(crate) fn read_urgency(urgency: i32) -> Option<Priority> {
    [Priority::Critical, Priority::High, Priority::Medium, Priority::Low]
        .into_iter()
        .find(|priority| self::urgency(*priority) == urgency)
}
