//! What a check reports. The field names are stable.

use cohort_ledger::{FiringName, RunId};
use cohort_preferences::{Job, JobId, PreferenceGroup};
use jiff::Timestamp;
use serde::Serialize;

/// The most occurrences that a report names; it counts all.
const MOST_NAMED: usize = 1_000;

/// What was due, and what of it is on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CompletenessReport {
    /// From when on.
    pub since: Timestamp,
    /// Up to when.
    pub until: Timestamp,
    /// Each job in force, by name.
    pub jobs: Vec<JobCompleteness>,
    /// How many occurrences are unaccounted for: 0, or something is wrong with Cohort, or no agent
    /// runs.
    pub unaccounted: u64,
    /// The first thousand of them.
    pub named: Vec<Unaccounted>,
}

/// What was due of one job, and what of it is on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobCompleteness {
    /// Which job.
    pub job_id: JobId,
    /// Occurrences that were due, as far as they had members.
    pub due: u64,
    /// Of these: whose run is closed.
    pub closed: u64,
    /// Of these: whose run is open, and may be.
    pub open: u64,
    /// Of these: that are unaccounted for.
    pub unaccounted: u64,
    /// Members as of each due instant; null if they were not counted.
    pub members: Option<u64>,
    /// Members who are on record.
    pub on_record: u64,
}

/// An occurrence that is unaccounted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unaccounted {
    /// Of which job.
    pub job_id: JobId,
    /// Of which group.
    #[serde(flatten)]
    pub group: PreferenceGroup,
    /// Which occurrence.
    pub nominal: FiringName,
    /// Its instant.
    pub scheduled_at: Timestamp,
    /// What is wrong.
    pub fault: CompletenessFault,
    /// Its run; null if it has none.
    pub run_id: Option<RunId>,
    /// Its members as of the instant; null if they were not counted.
    pub members: Option<u64>,
    /// How many of them are on record.
    pub on_record: u64,
}

/// What is wrong with an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CompletenessFault {
    /// It has no run.
    NoRun,
    /// Its run is closed, and has fewer members on record than there were.
    MembersLacking,
    /// Its run is open, and should have been given up.
    Overdue,
}

impl CompletenessReport {
    /// A report of a time in which nothing was due yet.
    pub(super) fn new(since: Timestamp, until: Timestamp) -> Self {
        Self { since, until, jobs: Vec::new(), unaccounted: 0, named: Vec::new() }
    }

    /// Names an occurrence, unless enough are named already.
    pub(super) fn name(&mut self, unaccounted: impl FnOnce() -> Unaccounted) {
        if self.named.len() < MOST_NAMED {
            self.named.push(unaccounted());
        }
    }

    /// Adds a job with all its occurrences.
    pub(super) fn add(&mut self, job: JobCompleteness) {
        self.unaccounted += job.unaccounted;
        self.jobs.push(job);
    }
}

impl JobCompleteness {
    /// A job of which nothing was due yet.
    pub(super) fn new(job: &Job, counts_members: bool) -> Self {
        Self {
            job_id: job.job_id.clone(),
            due: 0,
            closed: 0,
            open: 0,
            unaccounted: 0,
            members: counts_members.then_some(0),
            on_record: 0,
        }
    }
}
