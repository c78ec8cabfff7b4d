//! What has come due for a job, and moving on once it is planned.

use std::collections::HashSet;

use cohort_ledger::{FiringName, MissedReason, UnprocessedReason};
use cohort_preferences::{Occurrence, PreferenceGroup};
use jiff::Timestamp;
use jiff::civil::Date;

use super::misfire::{Verdict, judge};
use super::of_group::GroupSources;
use super::of_job::JobSchedules;

/// The dates whose occurrences are planned; for simulations of a part of the calendar.
#[derive(Debug, Clone, Copy)]
pub struct NominalDates {
    /// The first date.
    pub first: Date,
    /// The last date, included.
    pub last: Date,
}

/// Occurrences that have runs.
pub(crate) type Named = HashSet<(PreferenceGroup, FiringName)>;

/// An occurrence that has come due, and what is to be done about it.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) group: PreferenceGroup,
    pub(crate) sources: GroupSources,
    pub(crate) occurrence: Occurrence,
    pub(crate) verdict: Verdict,
}

impl Due {
    /// The same, missed if it fell due up to `until`, as an operator has decided after a restore
    /// (F11). What a pause covers is skipped all the same.
    pub(crate) fn given_up(self, until: Option<Timestamp>) -> Self {
        let is_given_up = until.is_some_and(|until| self.occurrence.at <= until);
        match self.verdict {
            Verdict::Fire | Verdict::Skip(UnprocessedReason::Missed(_)) if is_given_up => {
                let downtime = UnprocessedReason::Missed(MissedReason::Downtime);
                Self { verdict: Verdict::Skip(downtime), ..self }
            }
            _ => self,
        }
    }
}

impl NominalDates {
    fn contain(self, occurrence: &Occurrence) -> bool {
        (self.first..=self.last).contains(&occurrence.nominal.date())
    }
}

impl JobSchedules {
    /// What has come due up to `now` and is not `named` on record already, oldest first.
    pub(super) fn due_up_to(
        &self,
        now: Timestamp,
        horizon: Option<NominalDates>,
        named: &Named,
    ) -> Vec<Due> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now);
        let mut all: Vec<Due> =
            due.flat_map(|(_, group)| self.due_of(group, now, horizon, named)).collect();
        all.sort_by_key(|due| due.occurrence.at);
        all
    }

    fn due_of(
        &self,
        group: &PreferenceGroup,
        now: Timestamp,
        horizon: Option<NominalDates>,
        named: &Named,
    ) -> Vec<Due> {
        let scheduled = &self.groups[group];
        let until = scheduled.gone_since().map_or(now, |gone| gone.min(now));
        let in_horizon =
            |occurrence: &Occurrence| horizon.is_none_or(|dates| dates.contain(occurrence));
        let is_named = |occurrence: &Occurrence| {
            named.contains(&(group.clone(), FiringName::Nominal(occurrence.nominal)))
        };
        let due: Vec<Occurrence> = scheduled
            .schedule
            .after(scheduled.planned_until)
            .take_while(|occurrence| occurrence.at <= until)
            .filter(|occurrence| in_horizon(occurrence) && scheduled.is_made_up(occurrence.at))
            .filter(|occurrence| !self.is_planned_by_instant(occurrence) && !is_named(occurrence))
            .collect();
        let verdicts = judge(&self.job, self.pause, group, &due, now);
        let due = due.into_iter().zip(verdicts);
        due.map(|(occurrence, verdict)| Due {
            group: group.clone(),
            sources: scheduled.sources(occurrence.at),
            occurrence,
            verdict,
        })
        .collect()
    }

    /// Whether an occurrence was planned already, whatever another time zone database says: a name
    /// with an offset says the instant, and the instant is past (T9, T11).
    fn is_planned_by_instant(&self, occurrence: &Occurrence) -> bool {
        self.is_replanning
            && occurrence.nominal.offset().is_some()
            && occurrence.at <= self.watermark.known_until
    }

    /// Notes that everything up to `now` is planned: each group that was due moves on to its next
    /// occurrence, or retires if nobody is in it any more.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.is_replanning = false;
        self.watermark.planned_until = self.watermark.planned_until.max(now);
        while let Some((at, group)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, group));
                return;
            }
            let scheduled = self.groups.get_mut(&group).expect("what is due is a group");
            if let Some(gone) = scheduled.gone_since().filter(|gone| *gone <= now) {
                scheduled.retire(gone);
                continue;
            }
            scheduled.planned_until = now;
            scheduled.next = scheduled.schedule.next_after(now);
            self.due.extend(scheduled.next.map(|next| (next.at, group)));
        }
    }
}
