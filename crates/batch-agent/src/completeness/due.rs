//! What the calendar says was due: the occurrences of a job in a period of time, each with what its
//! group was made of. Pure.

use std::collections::BTreeMap;

use cohort_ledger::FiringName;
use cohort_preferences::{
    GroupList, Job, Occurrence, OwnZone, PreferenceGroup, Schedule, StatedGroup, TenantTimezone,
    TimeKey,
};
use jiff::Timestamp;

use crate::schedules::{DefaultsInTime, GroupSources, Interval};

/// The time that is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period {
    /// Occurrences are later than this instant.
    pub(super) from: Timestamp,
    /// Occurrences are not later than this instant.
    pub(super) until: Timestamp,
}

/// An occurrence that was due.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) group: PreferenceGroup,
    pub(super) occurrence: Occurrence,
    pub(super) sources: GroupSources,
}

impl Due {
    /// The name of its run.
    pub(super) fn name(&self) -> FiringName {
        FiringName::Nominal(self.occurrence.nominal)
    }
}

/// What makes up a preference group, each part with its interval of time.
#[derive(Debug, Default)]
struct MadeUpOf {
    stated: Vec<(StatedGroup, Interval)>,
    enrolled: Vec<(OwnZone, Interval)>,
}

/// The occurrences of a static job in a period.
pub(super) fn of_static(group: &PreferenceGroup, period: Period) -> Vec<Due> {
    let schedule = Schedule::of(group);
    let due = schedule.after(period.from).take_while(|occurrence| occurrence.at <= period.until);
    due.map(|occurrence| Due { group: group.clone(), occurrence, sources: GroupSources::default() })
        .collect()
}

/// The occurrences of a job that follows preferences: each group from when it came to be (F1), by
/// the defaults of the instant (T12).
pub(super) fn of_preferences(
    job: &Job,
    defaults: &DefaultsInTime,
    list: &GroupList,
    zones: &[TenantTimezone],
    period: Period,
) -> Vec<Due> {
    debug_assert!(job.preference_based, "a static job has one group of its own");
    let mut groups: BTreeMap<PreferenceGroup, MadeUpOf> = BTreeMap::new();
    for summary in &list.groups {
        for (group, interval) in defaults.groups(&summary.group) {
            let interval = within(interval, summary.since, summary.empty_since);
            groups.entry(group).or_default().stated.push((summary.group.clone(), interval));
        }
    }
    for zone in zones {
        let nothing = StatedGroup::new(None, TimeKey::Unstated, zone.timezone.0.clone())
            .expect("no frequency fits no time");
        for (group, interval) in defaults.groups(&nothing) {
            let interval = within(interval, zone.since, None);
            groups.entry(group).or_default().enrolled.push((zone.timezone.clone(), interval));
        }
    }
    groups.into_iter().flat_map(|(group, made_up_of)| made_up_of.due(&group, period)).collect()
}

fn within(interval: Interval, since: Timestamp, until: Option<Timestamp>) -> Interval {
    Interval {
        from: interval.from.max(since),
        until: interval.until.into_iter().chain(until).min(),
    }
}

impl MadeUpOf {
    fn due(&self, group: &PreferenceGroup, Period { from, until }: Period) -> Vec<Due> {
        let first = self.intervals().map(|interval| interval.from).min().unwrap_or(until);
        let schedule = Schedule::of(group);
        let occurrences =
            schedule.after(from.max(first)).take_while(|occurrence| occurrence.at <= until);
        let due = occurrences.map(|occurrence| Due {
            group: group.clone(),
            occurrence,
            sources: self.sources(occurrence.at),
        });
        due.filter(|due| due.sources != GroupSources::default()).collect()
    }

    fn intervals(&self) -> impl Iterator<Item = &Interval> {
        self.stated
            .iter()
            .map(|(_, interval)| interval)
            .chain(self.enrolled.iter().map(|(_, interval)| interval))
    }

    fn sources(&self, at: Timestamp) -> GroupSources {
        GroupSources {
            stated: contained(&self.stated, at).cloned().collect(),
            enrolled: contained(&self.enrolled, at).cloned().collect(),
        }
    }
}

/// The parts whose interval contains an instant.
fn contained<T>(parts: &[(T, Interval)], at: Timestamp) -> impl Iterator<Item = &T> {
    parts.iter().filter(move |(_, interval)| interval.contains(at)).map(|(part, _)| part)
}
