//! What the calendar says was due: the occurrences of a job in an interval of time, with what made up
//! each. Pure.

use std::collections::BTreeMap;

use cohort_preferences::{
    GroupList, Job, Occurrence, OwnZone, PreferenceGroup, Schedule, StatedGroup, TenantTimezone,
    TimeKey,
};
use jiff::Timestamp;

use crate::schedules::{DefaultsInTime, GroupSources, Interval};

/// An occurrence that was due.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) group: PreferenceGroup,
    pub(super) occurrence: Occurrence,
    pub(super) sources: GroupSources,
}

/// What makes up a preference group, each with its interval of time.
#[derive(Debug, Default)]
struct MadeUpOf {
    stated: Vec<(StatedGroup, Interval)>,
    enrolled: Vec<(OwnZone, Interval)>,
}

/// The occurrences of a static job that are later than `from`, and not later than `until`.
pub(super) fn of_static(group: &PreferenceGroup, from: Timestamp, until: Timestamp) -> Vec<Due> {
    let schedule = Schedule::of(group);
    let due = schedule.after(from).take_while(|occurrence| occurrence.at <= until);
    due.map(|occurrence| Due { group: group.clone(), occurrence, sources: GroupSources::default() })
        .collect()
}

/// The same of a job that follows preferences: each group from when it came to be (F1), by the
/// defaults of the instant (T12).
pub(super) fn of_preferences(
    job: &Job,
    defaults: &DefaultsInTime,
    list: &GroupList,
    zones: &[TenantTimezone],
    (from, until): (Timestamp, Timestamp),
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
            groups
                .entry(group)
                .or_default()
                .enrolled
                .push((zone.timezone.clone(), within(interval, zone.since, None)));
        }
    }
    groups.into_iter().flat_map(|(group, made_up_of)| made_up_of.due(&group, from, until)).collect()
}

fn within(interval: Interval, since: Timestamp, until: Option<Timestamp>) -> Interval {
    Interval {
        from: interval.from.max(since),
        until: interval.until.into_iter().chain(until).min(),
    }
}

impl MadeUpOf {
    fn due(&self, group: &PreferenceGroup, from: Timestamp, until: Timestamp) -> Vec<Due> {
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
        let stated = self
            .stated
            .iter()
            .filter(|(_, interval)| interval.contains(at))
            .map(|(group, _)| group.clone());
        let enrolled = self
            .enrolled
            .iter()
            .filter(|(_, interval)| interval.contains(at))
            .map(|(zone, _)| zone.clone());
        GroupSources { stated: stated.collect(), enrolled: enrolled.collect() }
    }
}
