//! Judges a due occurrence by what is on record of it. Pure.

use cohort_ledger::{RunOnRecord, RunState};
use cohort_preferences::Job;
use jiff::{SignedDuration, Timestamp};

use super::due::Due;
use super::report::{CompletenessFault, JobCompleteness, Unaccounted};
use crate::clock::saturating_add;

/// How long a run may stay open beyond its deadline or its catch-up window: whoever gives it up has
/// to come to it first.
const LATE_TO_GIVE_UP: SignedDuration = SignedDuration::from_mins(10);

/// How closely the check looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Whether each due occurrence has a run.
    Runs,
    /// And whether each closed run has as many members on record as there were as of its instant.
    Members,
}

/// A due occurrence, and what is on record of it.
pub(super) struct Compared<'a> {
    pub(super) job: &'a Job,
    pub(super) due: &'a Due,
    /// `None` if no run is on record.
    pub(super) run: Option<&'a RunOnRecord>,
    /// The members as of the instant; `None` if they were not counted.
    pub(super) members: Option<u64>,
}

/// What a due occurrence comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nobody was a member, so that nothing was to be done.
    NothingToDo,
    /// Its run is closed, and has everybody.
    Closed,
    /// Its run is open, and may be.
    Open,
    /// It is unaccounted for.
    Fault(CompletenessFault),
}

impl Compared<'_> {
    /// What the occurrence comes to at an instant.
    pub(super) fn judge(&self, now: Timestamp) -> Judgement {
        let Some(run) = self.run else {
            return match self.members {
                Some(0) => Judgement::NothingToDo,
                _ => Judgement::Fault(CompletenessFault::NoRun),
            };
        };
        match run.state {
            RunState::Closed if self.members.is_some_and(|members| run.on_record < members) => {
                Judgement::Fault(CompletenessFault::MembersLacking)
            }
            RunState::Closed => Judgement::Closed,
            RunState::Reading | RunState::Processing if self.is_overdue(run, now) => {
                Judgement::Fault(CompletenessFault::Overdue)
            }
            RunState::Reading | RunState::Processing => Judgement::Open,
        }
    }

    /// Whether an open run should have been given up by now: while its members are read, at the end
    /// of its catch-up window (F4); afterwards, at its deadline (D7), which counts anew from a
    /// requeue.
    fn is_overdue(&self, run: &RunOnRecord, now: Timestamp) -> bool {
        let patience = match run.state {
            RunState::Reading => Some(self.job.catchup_window(self.due.group.frequency())),
            RunState::Processing => self.job.deadline.filter(|_| !run.is_requeued),
            RunState::Closed => None,
        };
        patience.is_some_and(|patience| {
            let given_up_at = saturating_add(self.due.occurrence.at, patience);
            saturating_add(given_up_at, LATE_TO_GIVE_UP) < now
        })
    }

    /// The occurrence as a report names it.
    pub(super) fn unaccounted(&self, fault: CompletenessFault) -> Unaccounted {
        Unaccounted {
            job_id: self.job.job_id.clone(),
            group: self.due.group.clone(),
            nominal: self.due.name(),
            scheduled_at: self.due.occurrence.at,
            fault,
            run_id: self.run.map(|run| run.id),
            members: self.members,
            on_record: self.on_record(),
        }
    }

    fn on_record(&self) -> u64 {
        self.run.map_or(0, |run| run.on_record)
    }
}

impl JobCompleteness {
    /// Adds a due occurrence, judged like this.
    pub(super) fn add(&mut self, compared: &Compared<'_>, judgement: Judgement) {
        match judgement {
            Judgement::NothingToDo => return,
            Judgement::Closed => self.closed += 1,
            Judgement::Open => self.open += 1,
            Judgement::Fault(_) => self.unaccounted += 1,
        }
        self.due += 1;
        self.on_record += compared.on_record();
        if let (Some(all), Some(members)) = (&mut self.members, compared.members) {
            *all += members;
        }
    }
}

/// Whether an occurrence's members are counted: always where there is no run, and elsewhere only if
/// the list as of the instant stays the same whenever it is asked for. Labels and zones are those
/// of now.
pub(super) fn is_counted(job: &Job, due: &Due, run: Option<&RunOnRecord>, depth: Depth) -> bool {
    let is_fixed = due.sources.enrolled.is_empty()
        && (job.preference_based || job.filters.tenants().is_fixed());
    run.is_none() || (depth == Depth::Members && is_fixed)
}
