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

#[cfg(test)]
mod tests {
    use cohort_ledger::RunId;
    use cohort_preferences::{BatchConfig, PreferenceGroup, Schedule};
    use serde_json::json;

    use super::*;
    use crate::schedules::GroupSources;

    const NINE: &str = "2026-12-01T09:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn job() -> Job {
        let job = json!({
            "job_id": "j", "type": "individual_batch", "purpose_id": "p", "preference_based": true,
            "feature_type": "posts", "deadline": "1h", "catchup_window": "2h"
        });
        BatchConfig::from_json(&job.to_string()).expect("valid").jobs.remove(0)
    }

    fn due() -> Due {
        let group = PreferenceGroup::parse("daily", "09:00", "UTC").expect("a group");
        let group = group.expect("complete");
        let occurrence = Schedule::of(&group).next_after(at("2026-12-01T00:00:00Z"));
        Due { group, occurrence: occurrence.expect("daily"), sources: GroupSources::default() }
    }

    fn run(state: RunState, on_record: u64) -> RunOnRecord {
        let Due { group, occurrence, .. } = due();
        let nominal = cohort_ledger::FiringName::Nominal(occurrence.nominal);
        RunOnRecord { id: RunId(1), group, nominal, state, on_record, is_requeued: false }
    }

    fn judge(run: Option<&RunOnRecord>, members: Option<u64>, now: &str) -> Judgement {
        Compared { job: &job(), due: &due(), run, members }.judge(at(now))
    }

    #[test]
    fn without_a_run_it_is_a_fault_unless_nobody_was_a_member() {
        let no_run = Judgement::Fault(CompletenessFault::NoRun);
        assert_eq!(judge(None, Some(0), NINE), Judgement::NothingToDo);
        assert_eq!(judge(None, Some(1), NINE), no_run);
        assert_eq!(judge(None, None, NINE), no_run, "somebody may have been one");
    }

    #[test]
    fn a_closed_run_must_have_all_members_who_were_counted() {
        let closed = run(RunState::Closed, 2);
        assert_eq!(judge(Some(&closed), Some(2), NINE), Judgement::Closed);
        assert_eq!(judge(Some(&closed), None, NINE), Judgement::Closed);
        let lacking = Judgement::Fault(CompletenessFault::MembersLacking);
        assert_eq!(judge(Some(&closed), Some(3), NINE), lacking);
    }

    #[test]
    fn an_open_run_is_overdue_ten_minutes_after_it_should_have_been_given_up() {
        let overdue = Judgement::Fault(CompletenessFault::Overdue);
        for (state, last, first) in [
            (RunState::Reading, "2026-12-01T11:10:00Z", "2026-12-01T11:10:01Z"),
            (RunState::Processing, "2026-12-01T10:10:00Z", "2026-12-01T10:10:01Z"),
        ] {
            assert_eq!(judge(Some(&run(state, 0)), None, last), Judgement::Open);
            assert_eq!(judge(Some(&run(state, 0)), None, first), overdue);
        }
    }

    #[test]
    fn the_deadline_of_a_requeued_run_counts_anew() {
        let requeued = RunOnRecord { is_requeued: true, ..run(RunState::Processing, 0) };
        assert_eq!(judge(Some(&requeued), None, "2026-12-02T09:00:00Z"), Judgement::Open);
    }
}
