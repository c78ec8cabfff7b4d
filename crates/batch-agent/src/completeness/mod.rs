//! Every due occurrence is accounted for (A1), and this is who checks.
//!
//! ```text
//! calendar: groups as the Config Database lists them, by the job's versions and defaults ─► what was due
//! ledger:   runs by instant                                                              ─► what is on record
//!                              due, not on record, and somebody was a member then ─► unaccounted
//!                              open beyond its deadline or its catch-up window    ─► unaccounted
//! ```
//!
//! It goes by no state of the scheduler's: what the scheduler has wrong in memory would be wrong
//! here too. Groups are compared and not users; a member is asked for only where a run is missing,
//! or where [`Depth::Members`] wants each run's members counted against its record. What is younger
//! than two minutes is not judged: it may be about to be planned. Nor is, where no agent works,
//! what fell due since the last one planned.
//!
//! What may fail: the Config Database or the ledger, then there is no account, and the last one
//! stands.

mod due;

use std::collections::HashMap;
use std::sync::Arc;

use cohort_preferences::{Enroll, Job, JobId, PreferenceGroup};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use self::due::Due;
use crate::clock::AgentClock;
use crate::clock::saturating_add;
use crate::jobs::{JobHistory, Jobs};
use crate::members::{GroupAt, count_members};
use crate::schedules::DefaultsInTime;
use crate::source::{PreferenceSource, SourceError};
use cohort_ledger::{
    DefinitionKind, FiringName, Ledger, LedgerError, RunId, RunOnRecord, RunState,
};

/// What is younger is not judged.
const NOT_YET_JUDGED: SignedDuration = SignedDuration::from_mins(2);

/// How long a run may stay open beyond its deadline or its catch-up window: whoever gives it up has
/// to come to it first.
const LATE_TO_GIVE_UP: SignedDuration = SignedDuration::from_mins(10);

/// The most occurrences that are named; all are counted.
const MOST_NAMED: usize = 1_000;

/// The most missing runs of which it is asked whether anybody was a member; of more, it is taken
/// for granted.
const MOST_ASKED: usize = 10_000;

/// Compares the calendar with the record; cheap to clone.
#[derive(Clone)]
pub struct CompletenessCheck {
    source: Arc<dyn PreferenceSource>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    /// The jobs in force of this process's agent; `None` if only files are looked at.
    jobs: Option<Jobs>,
}

/// How closely it is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Whether each due occurrence has a run.
    Runs,
    /// And whether each closed run has as many members on record as there were as of its instant.
    Members,
}

/// What was due, and what of it is on record. The field names are stable.
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

/// The account of one job.
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

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
pub enum CompletenessError {
    /// The Config Database did not say what was due.
    #[error("reading what was due")]
    Source(#[from] SourceError),
    /// The ledger did not say what is on record.
    #[error("reading what is on record")]
    Ledger(#[from] LedgerError),
}

impl CompletenessCheck {
    /// Accounts for what stands in a ledger; with the jobs that an agent of this process brings
    /// along, if there is one.
    pub fn new(
        source: Arc<dyn PreferenceSource>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn AgentClock>,
        jobs: Option<Jobs>,
    ) -> Self {
        Self { source, ledger, clock, jobs }
    }

    /// Accounts for everything that was due since an instant.
    pub async fn account(
        &self,
        since: Timestamp,
        depth: Depth,
    ) -> Result<CompletenessReport, CompletenessError> {
        let until = saturating_add(self.clock.now(), -NOT_YET_JUDGED);
        let mut account = CompletenessReport {
            since,
            until,
            jobs: Vec::new(),
            unaccounted: 0,
            named: Vec::new(),
        };
        for job_id in self.job_ids().await? {
            let Some(history) =
                JobHistory::read(&*self.ledger, self.jobs.as_ref(), &job_id).await?
            else {
                continue;
            };
            // A job that no agent has planned yet has nothing to account for: it begins with its
            // watermark (F1).
            let (Some(job), Some(standing)) = (history.now(), history.standing) else { continue };
            // Where no agent works, what fell due since the last one did is planned by the next
            // (F1).
            let until = if self.jobs.is_some() { until } else { until.min(standing.planned_until) };
            let from = since.max(standing.began).max(history.alike_since());
            let due = self.due(job, &history, from, until).await?;
            let of_job =
                self.account_for(job, due, (from, until), depth, &mut account.named).await?;
            account.unaccounted += of_job.unaccounted;
            account.jobs.push(of_job);
        }
        Ok(account)
    }

    async fn job_ids(&self) -> Result<Vec<JobId>, LedgerError> {
        let stored = self.ledger.definitions().await?;
        let of_ledger = stored.latest.iter().filter(|definition| {
            definition.kind == DefinitionKind::Job && definition.document.is_some()
        });
        let mut ids: Vec<JobId> =
            of_ledger.filter_map(|definition| definition.name.parse().ok()).collect();
        if let Some(jobs) = &self.jobs {
            ids.extend(jobs.in_force().planned().map(|job| job.job.job_id.clone()));
        }
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    async fn due(
        &self,
        job: &Job,
        history: &JobHistory,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Due>, SourceError> {
        if let Some(schedule) = &job.schedule {
            return Ok(due::of_static(schedule.group(), from, until));
        }
        let list = self.source.groups(&job.feature_type).await?;
        let zones = match job.enroll {
            Enroll::Everyone => self.source.timezones().await?,
            Enroll::OptedIn => Vec::new(),
        };
        let defaults = DefaultsInTime::of(&history.defaults(), &list.defaults);
        Ok(due::of_preferences(job, &defaults, &list, &zones, (from, until)))
    }

    async fn account_for(
        &self,
        job: &Job,
        due: Vec<Due>,
        (from, until): (Timestamp, Timestamp),
        depth: Depth,
        named: &mut Vec<Unaccounted>,
    ) -> Result<JobCompleteness, CompletenessError> {
        let runs = self.ledger.runs_between(&job.job_id, from, until).await?;
        let runs: HashMap<_, _> =
            runs.into_iter().map(|run| ((run.group.clone(), run.nominal), run)).collect();
        let members = (depth == Depth::Members).then_some(0);
        let mut account = JobCompleteness {
            job_id: job.job_id.clone(),
            due: 0,
            closed: 0,
            open: 0,
            unaccounted: 0,
            members,
            on_record: 0,
        };
        let mut asked = 0;
        for due in due {
            let nominal = FiringName::Nominal(due.occurrence.nominal);
            let run = runs.get(&(due.group.clone(), nominal));
            let members = if is_counted(job, &due, run, depth) && asked < MOST_ASKED {
                asked += 1;
                let (group, sources) = (&due.group, &due.sources);
                let then = GroupAt { job, group, sources, instant: due.occurrence.at };
                Some(count_members(&*self.source, then).await?)
            } else {
                None
            };
            let Some(fault) = account.add(job, &due, run, members, self.clock.now()) else {
                continue;
            };
            account.unaccounted += 1;
            if named.len() < MOST_NAMED {
                let (run_id, on_record) =
                    (run.map(|run| run.id), run.map_or(0, |run| run.on_record));
                let (job_id, scheduled_at) = (job.job_id.clone(), due.occurrence.at);
                named.push(Unaccounted {
                    job_id,
                    group: due.group,
                    nominal,
                    scheduled_at,
                    fault,
                    run_id,
                    members,
                    on_record,
                });
            }
        }
        Ok(account)
    }
}

impl JobCompleteness {
    /// Adds an occurrence. Returns what is wrong with it, if anything is.
    fn add(
        &mut self,
        job: &Job,
        due: &Due,
        run: Option<&RunOnRecord>,
        members: Option<u64>,
        now: Timestamp,
    ) -> Option<CompletenessFault> {
        // Nobody was a member, and nothing was to be done.
        if run.is_none() && members == Some(0) {
            return None;
        }
        self.due += 1;
        if let (Some(all), Some(members)) = (&mut self.members, members) {
            *all += members;
        }
        let Some(run) = run else { return Some(CompletenessFault::NoRun) };
        self.on_record += run.on_record;
        match run.state {
            RunState::Closed if members.is_some_and(|members| run.on_record < members) => {
                Some(CompletenessFault::MembersLacking)
            }
            RunState::Closed => {
                self.closed += 1;
                None
            }
            RunState::Reading | RunState::Processing if is_overdue(job, due, run, now) => {
                Some(CompletenessFault::Overdue)
            }
            RunState::Reading | RunState::Processing => {
                self.open += 1;
                None
            }
        }
    }
}

/// Whether an occurrence's members are counted: where there is no run they always are, and else
/// only if the list as of the instant is the same whenever it is asked for: labels and zones are
/// those of now.
fn is_counted(job: &Job, due: &Due, run: Option<&RunOnRecord>, depth: Depth) -> bool {
    let is_fixed = due.sources.enrolled.is_empty()
        && (job.preference_based || job.filters.tenants().is_fixed());
    run.is_none() || (depth == Depth::Members && is_fixed)
}

/// Whether an open run should have been given up by now: one whose members are not read at the end
/// of its catch-up window (F4), another at its deadline (D7), which counts anew from a requeue.
fn is_overdue(job: &Job, due: &Due, run: &RunOnRecord, now: Timestamp) -> bool {
    let patience = match run.state {
        RunState::Reading => Some(job.catchup_window(due.group.frequency())),
        RunState::Processing => job.deadline.filter(|_| !run.is_requeued),
        RunState::Closed => None,
    };
    patience.is_some_and(|patience| {
        saturating_add(saturating_add(due.occurrence.at, patience), LATE_TO_GIVE_UP) < now
    })
}
