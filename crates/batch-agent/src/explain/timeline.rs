//! What a user wished over time, and what a job made of it: stays in preference groups, one after
//! another. Pure.
//!
//! ```text
//! history of the user    nothing │ version 1: daily 09:00                   │ version 2: off  │ version 3: daily 10:00 …
//! defaults of the job                        first │ others                                                         …
//!                                ▼                 ▼
//! stays                  –       │ daily:09:00 UTC │ daily:09:00 Berlin     │ (off)           │ daily:10:00 Berlin     …
//! ```
//!
//! The stays cover all of time without a gap, so that each instant has exactly one. A stay knows
//! its group also where the user was no member, because the feature was switched off or the
//! preference deleted: "when would it have run?" has an answer then too.

use std::collections::BTreeSet;

use cohort_preferences::{
    Enroll, FeatureType, Job, Occurrence, Preference, PreferenceGroup, Schedule, StatedGroup,
    TimeKey, Zone,
};
use jiff::{SignedDuration, Timestamp};

use crate::clock::saturating_add;
use crate::schedules::DefaultsInTime;
use crate::source::HistoryEntry;

/// How far back the occurrence before an instant is looked for, nearest first.
const LOOKS_BACK: [SignedDuration; 5] = [
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(2 * 24),
    SignedDuration::from_hours(16 * 24),
    SignedDuration::from_hours(64 * 24),
    SignedDuration::from_hours(5 * 366 * 24),
];

/// All stays of one user with one job.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    /// In order, each beginning where the one before ends; the first begins at the beginning of
    /// time. Never empty.
    stays: Vec<MembershipInterval>,
}

/// A interval of time in which neither the user's wish nor what it comes to has changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MembershipInterval {
    pub(super) from: Timestamp,
    /// `None` for the last.
    pub(super) until: Option<Timestamp>,
    pub(super) wish: StatedPreference,
    /// The group that it comes to; none if nothing is stated, or what is stated lacks a field that
    /// no default gives.
    pub(super) group: Result<PreferenceGroup, NoGroup>,
}

/// What the user had stated.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum StatedPreference {
    /// It is no longer kept.
    Forgotten,
    /// Nothing; `is_enrolled` if the job serves them all the same (T13).
    Nothing { is_enrolled: bool },
    /// A preference, since this instant.
    Stated { version: u64, since: Timestamp, preference: Box<Preference> },
    /// That it be deleted.
    Deleted { version: u64, since: Timestamp },
    /// It does not matter: the job has a schedule of its own.
    Irrelevant,
}

/// Why a wish comes to no group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoGroup {
    /// There is nothing that could come to one.
    NothingStated,
    /// This field is stated neither by the user nor by any default (T12).
    Lacks(&'static str),
}

/// A wish and a zone as the history tells them.
struct Told {
    /// Of the job's feature, oldest first.
    wishes: Vec<(Timestamp, u64, Option<Preference>)>,
    /// The tenant's own, oldest first.
    zones: Vec<(Timestamp, Option<Zone>)>,
    /// Since when the tenant has been there, as far as is known.
    created: Timestamp,
    /// Whether it reaches back to the first wish.
    is_whole: bool,
}

impl Timeline {
    /// The timeline of a user's history, newest first, with a job.
    pub(super) fn of(job: &Job, defaults: &DefaultsInTime, history: &[HistoryEntry]) -> Self {
        if let Some(schedule) = &job.schedule {
            let group = Ok(schedule.group().clone());
            return Self {
                stays: vec![MembershipInterval {
                    from: Timestamp::MIN,
                    until: None,
                    wish: StatedPreference::Irrelevant,
                    group,
                }],
            };
        }
        let told = Told::of(&job.feature_type, history);
        let instants: BTreeSet<Timestamp> =
            told.changes().chain(defaults.changes()).chain([Timestamp::MIN]).collect();
        let mut stays: Vec<MembershipInterval> = Vec::new();
        for from in instants {
            let wish = told.wish_at(from, job.enroll);
            let group = told.group_at(from, &wish, defaults);
            if let Some(last) = stays.last_mut() {
                last.until = Some(from);
                if (&last.wish, &last.group) == (&wish, &group) {
                    last.until = None;
                    continue;
                }
            }
            stays.push(MembershipInterval { from, until: None, wish, group });
        }
        Self { stays }
    }

    /// The stay that an instant lies in.
    pub(super) fn at(&self, instant: Timestamp) -> &MembershipInterval {
        &self.stays[self.index_at(instant)]
    }

    /// The stay before the one of an instant.
    pub(super) fn before(&self, instant: Timestamp) -> Option<&MembershipInterval> {
        self.stays.get(self.index_at(instant).checked_sub(1)?)
    }

    /// The stay after the one of an instant.
    pub(super) fn after(&self, instant: Timestamp) -> Option<&MembershipInterval> {
        self.stays.get(self.index_at(instant) + 1)
    }

    /// The stays that touch an interval of time.
    pub(super) fn within(&self, from: Timestamp, until: Timestamp) -> &[MembershipInterval] {
        &self.stays[self.index_at(from)..=self.index_at(until)]
    }

    fn index_at(&self, instant: Timestamp) -> usize {
        let later = self.stays.partition_point(|stay| stay.from <= instant);
        later.saturating_sub(1)
    }
}

impl MembershipInterval {
    /// Whether the user is a member of the group: what fires in this stay runs for them.
    pub(super) fn is_membership(&self) -> bool {
        self.group.is_ok() && self.wish.wants()
    }

    /// The occurrence of its group at this instant.
    pub(super) fn firing_at(&self, instant: Timestamp) -> Option<Occurrence> {
        let group = self.group.as_ref().ok()?;
        firing_at(group, instant)
    }

    pub(super) fn contains(&self, instant: Timestamp) -> bool {
        self.from <= instant && self.until.is_none_or(|until| instant < until)
    }
}

impl StatedPreference {
    fn wants(&self) -> bool {
        match self {
            Self::Stated { preference, .. } => preference.is_enabled(),
            Self::Nothing { is_enrolled } => *is_enrolled,
            Self::Irrelevant => true,
            Self::Deleted { .. } | Self::Forgotten => false,
        }
    }
}

impl Told {
    fn of(feature: &FeatureType, history: &[HistoryEntry]) -> Self {
        let of_feature = |entry: &&HistoryEntry| entry.feature_type.as_ref() == Some(feature);
        // A stored preference that a newer version of the program understands only reads as one
        // that states nothing.
        let preference = |entry: &HistoryEntry| {
            entry.after.as_ref().map(|after| Preference::from_json(after, "").unwrap_or_default())
        };
        let wish = |entry: &HistoryEntry| (entry.at, entry.version, preference(entry));
        let zone = |entry: &HistoryEntry| {
            let name = entry.after.as_ref().and_then(|profile| profile["timezone"].as_str());
            (entry.at, name.and_then(|name| name.parse().ok()))
        };
        let wishes: Vec<_> = history.iter().rev().filter(of_feature).map(wish).collect();
        Self {
            is_whole: wishes.first().is_none_or(|(_, version, _)| *version == 1),
            wishes,
            zones: history
                .iter()
                .rev()
                .filter(|entry| entry.feature_type.is_none())
                .map(zone)
                .collect(),
            created: history.last().map_or(Timestamp::MIN, |first| first.at),
        }
    }

    fn changes(&self) -> impl Iterator<Item = Timestamp> {
        let wishes = self.wishes.iter().map(|(at, ..)| *at);
        wishes.chain(self.zones.iter().map(|(at, _)| *at)).chain([self.created])
    }

    fn wish_at(&self, instant: Timestamp, enroll: Enroll) -> StatedPreference {
        match self.wishes.iter().rfind(|(at, ..)| *at <= instant) {
            Some((since, version, Some(preference))) => StatedPreference::Stated {
                version: *version,
                since: *since,
                preference: Box::new(preference.clone()),
            },
            Some((since, version, None)) => {
                StatedPreference::Deleted { version: *version, since: *since }
            }
            None if !self.is_whole => StatedPreference::Forgotten,
            None => StatedPreference::Nothing {
                is_enrolled: enroll == Enroll::Everyone && self.created <= instant,
            },
        }
    }

    /// The group that a wish comes to, or that the wish before a deletion came to.
    fn group_at(
        &self,
        instant: Timestamp,
        wish: &StatedPreference,
        defaults: &DefaultsInTime,
    ) -> Result<PreferenceGroup, NoGroup> {
        let zone = self.zone_at(instant);
        let stated = match wish {
            StatedPreference::Stated { preference, .. } => Some(preference.stated_group(zone)),
            StatedPreference::Deleted { .. } => {
                self.last_stated_at(instant).map(|preference| preference.stated_group(zone))
            }
            StatedPreference::Nothing { is_enrolled: true } => {
                StatedGroup::new(None, TimeKey::Unstated, zone.cloned()).ok()
            }
            StatedPreference::Nothing { is_enrolled: false }
            | StatedPreference::Forgotten
            | StatedPreference::Irrelevant => None,
        };
        let stated = stated.ok_or(NoGroup::NothingStated)?;
        defaults.resolve_at(&stated, instant).map_err(|unresolved| NoGroup::Lacks(unresolved.field))
    }

    fn last_stated_at(&self, instant: Timestamp) -> Option<&Preference> {
        self.wishes
            .iter()
            .rev()
            .filter(|(at, ..)| *at <= instant)
            .find_map(|(_, _, preference)| preference.as_ref())
    }

    fn zone_at(&self, instant: Timestamp) -> Option<&Zone> {
        self.zones.iter().rfind(|(at, _)| *at <= instant).and_then(|(_, zone)| zone.as_ref())
    }
}

/// The occurrence of a group at this instant.
pub(super) fn firing_at(group: &PreferenceGroup, instant: Timestamp) -> Option<Occurrence> {
    let just_before = saturating_add(instant, SignedDuration::from_nanos(-1));
    Schedule::of(group).next_after(just_before).filter(|occurrence| occurrence.at == instant)
}

/// The last occurrence of a group before this instant; `None` if there was none in five years.
pub(super) fn firing_before(group: &PreferenceGroup, instant: Timestamp) -> Option<Occurrence> {
    let schedule = Schedule::of(group);
    LOOKS_BACK.iter().find_map(|span| {
        let from = instant.checked_sub(*span).unwrap_or(Timestamp::MIN);
        schedule.after(from).take_while(|occurrence| occurrence.at < instant).last()
    })
}

#[cfg(test)]
mod tests {
    use cohort_preferences::BatchConfig;
    use serde_json::{Value, json};

    use super::*;

    fn job(defaults: &Value, enroll: &str) -> Job {
        let job = json!({
            "job_id": "j", "type": "individual_batch", "purpose_id": "p", "preference_based": true,
            "feature_type": "posts",
            "default_preferences": defaults, "enroll": enroll
        });
        BatchConfig::from_json(&job.to_string()).expect("valid").jobs.remove(0)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn entry(second: i64, version: u64, after: Value) -> HistoryEntry {
        let after = (!after.is_null()).then_some(after);
        HistoryEntry {
            at: at(second),
            feature_type: Some("posts".parse().expect("a feature")),
            version,
            after,
        }
    }

    fn profile(second: i64, timezone: &str) -> HistoryEntry {
        HistoryEntry {
            at: at(second),
            feature_type: None,
            version: 1,
            after: Some(json!({"timezone": timezone, "labels": {}})),
        }
    }

    /// The stays as `100 daily:09:00 UTC`, `-` where the user is no member.
    fn told(job: &Job, history: &[HistoryEntry]) -> Vec<String> {
        let timeline = Timeline::of(job, &DefaultsInTime::of_job(job), history);
        let told = |stay: &MembershipInterval| {
            let group = stay
                .group
                .as_ref()
                .ok()
                .filter(|_| stay.is_membership())
                .map_or("-".into(), ToString::to_string);
            let from = if stay.from == Timestamp::MIN {
                "ever".into()
            } else {
                stay.from.as_second().to_string()
            };
            format!("{from} {group}")
        };
        timeline.stays.iter().map(told).collect()
    }

    #[test]
    fn each_change_of_preference_or_zone_begins_a_stay_and_what_is_off_is_no_membership() {
        let history = [
            entry(500, 4, Value::Null),
            entry(400, 3, json!({"frequency": "daily", "enabled": false})),
            entry(300, 2, json!({"frequency": "daily", "preferred_time": "10:00"})),
            profile(200, "Europe/Berlin"),
            entry(100, 1, json!({"frequency": "daily"})),
        ];
        let stays = [
            "ever -",
            "100 daily:09:00 UTC",
            "200 daily:09:00 Europe/Berlin",
            "300 daily:10:00 Europe/Berlin",
            "400 -",
            "500 -",
        ];
        assert_eq!(told(&job(&json!({}), "opted_in"), &history), stays);
    }

    #[test]
    fn who_stated_nothing_is_enrolled_from_when_they_came_to_be() {
        let history = [profile(100, "Europe/Berlin")];
        assert_eq!(
            told(&job(&json!({"frequency": "daily"}), "everyone"), &history),
            ["ever -", "100 daily:09:00 Europe/Berlin"]
        );
        assert_eq!(told(&job(&json!({"frequency": "daily"}), "opted_in"), &history), ["ever -"]);
    }

    #[test]
    fn a_history_that_does_not_reach_back_to_the_first_preference_is_forgotten_before() {
        let job = job(&json!({}), "opted_in");
        let timeline = Timeline::of(
            &job,
            &DefaultsInTime::of_job(&job),
            &[entry(100, 7, json!({"frequency": "daily"}))],
        );
        assert_eq!(timeline.at(at(99)).wish, StatedPreference::Forgotten);
        assert!(timeline.at(at(100)).is_membership());
    }

    #[test]
    fn the_occurrence_before_an_instant_is_found_for_every_frequency() {
        let before = |frequency: &str, key: &str| {
            let group =
                PreferenceGroup::parse(frequency, key, "UTC").expect("a group").expect("complete");
            firing_before(&group, "2026-12-07T10:00:00Z".parse().expect("an instant"))
                .expect("there is one")
                .at
                .to_string()
        };
        assert_eq!(before("hourly", ":00"), "2026-12-07T09:00:00Z");
        assert_eq!(before("daily", "10:00"), "2026-12-06T10:00:00Z");
        assert_eq!(before("weekly", "monday:10:00"), "2026-11-30T10:00:00Z");
        assert_eq!(before("monthly", "1:10:00"), "2026-12-01T10:00:00Z");
        assert_eq!(before("cron", "0 9 29 2 *"), "2024-02-29T09:00:00Z");
    }
}
