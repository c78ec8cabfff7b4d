//! What the calendar says was due: the occurrences of a job in a stretch of time, with what made up
//! each. Pure.

use std::collections::BTreeMap;

use cohort_preferences::{
    GroupList, Job, Occurrence, OwnZone, PreferenceGroup, Schedule, StatedGroup, TenantTimezone,
    TimeKey,
};
use jiff::Timestamp;

use crate::scheduler::{DefaultsInTime, Parts, Stretch};

/// An occurrence that was due.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) group: PreferenceGroup,
    pub(super) occurrence: Occurrence,
    pub(super) parts: Parts,
}

/// What makes up a preference group, each with its stretch of time.
#[derive(Debug, Default)]
struct MadeUpOf {
    stated: Vec<(StatedGroup, Stretch)>,
    enrolled: Vec<(OwnZone, Stretch)>,
}

/// The occurrences of a static job that are later than `from`, and not later than `until`.
pub(super) fn of_static(group: &PreferenceGroup, from: Timestamp, until: Timestamp) -> Vec<Due> {
    let schedule = Schedule::of(group);
    let due = schedule.after(from).take_while(|occurrence| occurrence.at <= until);
    due.map(|occurrence| Due { group: group.clone(), occurrence, parts: Parts::default() })
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
        for (group, stretch) in defaults.groups(&summary.group) {
            let stretch = within(stretch, summary.since, summary.empty_since);
            groups.entry(group).or_default().stated.push((summary.group.clone(), stretch));
        }
    }
    for zone in zones {
        let nothing = StatedGroup::new(None, TimeKey::Unstated, zone.timezone.0.clone())
            .expect("no frequency fits no time");
        for (group, stretch) in defaults.groups(&nothing) {
            groups
                .entry(group)
                .or_default()
                .enrolled
                .push((zone.timezone.clone(), within(stretch, zone.since, None)));
        }
    }
    groups.into_iter().flat_map(|(group, made_up_of)| made_up_of.due(&group, from, until)).collect()
}

fn within(stretch: Stretch, since: Timestamp, until: Option<Timestamp>) -> Stretch {
    Stretch { from: stretch.from.max(since), until: stretch.until.into_iter().chain(until).min() }
}

impl MadeUpOf {
    fn due(&self, group: &PreferenceGroup, from: Timestamp, until: Timestamp) -> Vec<Due> {
        let first = self.stretches().map(|stretch| stretch.from).min().unwrap_or(until);
        let schedule = Schedule::of(group);
        let occurrences =
            schedule.after(from.max(first)).take_while(|occurrence| occurrence.at <= until);
        let due = occurrences.map(|occurrence| Due {
            group: group.clone(),
            occurrence,
            parts: self.parts(occurrence.at),
        });
        due.filter(|due| due.parts != Parts::default()).collect()
    }

    fn stretches(&self) -> impl Iterator<Item = &Stretch> {
        self.stated
            .iter()
            .map(|(_, stretch)| stretch)
            .chain(self.enrolled.iter().map(|(_, stretch)| stretch))
    }

    fn parts(&self, at: Timestamp) -> Parts {
        let stated = self
            .stated
            .iter()
            .filter(|(_, stretch)| stretch.contains(at))
            .map(|(group, _)| group.clone());
        let enrolled = self
            .enrolled
            .iter()
            .filter(|(_, stretch)| stretch.contains(at))
            .map(|(zone, _)| zone.clone());
        Parts { stated: stated.collect(), enrolled: enrolled.collect() }
    }
}
