//! What a user had stated over time, and what a job made of it: intervals, one after another, each
//! with its preference group. Pure.
//!
//! ```text
//! history of the user   nothing │ version 1: daily 09:00   │ version 2: off │ version 3: 10:00
//! defaults of the job                   first │ others
//!                               ▼             ▼
//! intervals             –       │ 09:00 UTC   │ 09:00 Rome │ (off)          │ 10:00 Rome
//! ```
//!
//! The intervals cover all of time without a gap, so that each instant lies in exactly one. An
//! interval knows its group even if the user was no member, because the feature was switched off or
//! the preference deleted: "when would it have run?" can be told then too.

mod firing;
mod history;
mod interval;

use std::collections::BTreeSet;

use cohort_preferences::Job;
use jiff::Timestamp;

pub(super) use self::firing::firing_before;
use self::history::StatedHistory;
pub(super) use self::interval::{MembershipInterval, NoGroup, StatedPreference};
use crate::schedules::DefaultsInTime;
use crate::source::HistoryEntry;

/// All intervals of one user with one job.
#[derive(Debug, Clone)]
pub(super) struct Timeline {
    /// In order, each beginning where the one before ends; the first begins at the beginning of
    /// time. Never empty.
    intervals: Vec<MembershipInterval>,
}

impl Timeline {
    /// The timeline of a user's history, newest first, with a job.
    pub(super) fn of(job: &Job, defaults: &DefaultsInTime, history: &[HistoryEntry]) -> Self {
        if let Some(schedule) = &job.schedule {
            return Self::forever(MembershipInterval {
                from: Timestamp::MIN,
                until: None,
                stated: StatedPreference::Irrelevant,
                group: Ok(schedule.group().clone()),
            });
        }
        let history = StatedHistory::of(&job.feature_type, history);
        let instants: BTreeSet<Timestamp> =
            history.changes().chain(defaults.changes()).chain([Timestamp::MIN]).collect();
        let mut intervals: Vec<MembershipInterval> = Vec::new();
        for from in instants {
            let stated = history.stated_at(from, job.enroll);
            let group = history.group_at(from, &stated, defaults);
            if let Some(last) = intervals.last_mut() {
                if (&last.stated, &last.group) == (&stated, &group) {
                    continue;
                }
                last.until = Some(from);
            }
            intervals.push(MembershipInterval { from, until: None, stated, group });
        }
        Self { intervals }
    }

    fn forever(interval: MembershipInterval) -> Self {
        Self { intervals: vec![interval] }
    }

    /// The interval that an instant lies in.
    pub(super) fn at(&self, instant: Timestamp) -> &MembershipInterval {
        &self.intervals[self.index_at(instant)]
    }

    /// The interval before the one of an instant.
    pub(super) fn before(&self, instant: Timestamp) -> Option<&MembershipInterval> {
        self.intervals.get(self.index_at(instant).checked_sub(1)?)
    }

    /// The interval after the one of an instant.
    pub(super) fn after(&self, instant: Timestamp) -> Option<&MembershipInterval> {
        self.intervals.get(self.index_at(instant) + 1)
    }

    /// The intervals that touch a span of time.
    pub(super) fn within(&self, from: Timestamp, until: Timestamp) -> &[MembershipInterval] {
        &self.intervals[self.index_at(from)..=self.index_at(until)]
    }

    fn index_at(&self, instant: Timestamp) -> usize {
        let later = self.intervals.partition_point(|interval| interval.from <= instant);
        later.saturating_sub(1)
    }
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

    /// The intervals as `100 daily:09:00 UTC`, `-` where the user is no member.
    fn told(job: &Job, history: &[HistoryEntry]) -> Vec<String> {
        let told = |interval: &MembershipInterval| {
            let group = interval.group.as_ref().ok().filter(|_| interval.is_membership());
            let group = group.map_or("-".into(), ToString::to_string);
            if interval.from == Timestamp::MIN {
                format!("ever {group}")
            } else {
                format!("{} {group}", interval.from.as_second())
            }
        };
        let timeline = Timeline::of(job, &DefaultsInTime::of_job(job), history);
        timeline.intervals.iter().map(told).collect()
    }

    #[test]
    fn each_change_of_preference_or_zone_begins_an_interval_and_what_is_off_is_no_membership() {
        let history = [
            entry(500, 4, Value::Null),
            entry(400, 3, json!({"frequency": "daily", "enabled": false})),
            entry(300, 2, json!({"frequency": "daily", "preferred_time": "10:00"})),
            profile(200, "Europe/Berlin"),
            entry(100, 1, json!({"frequency": "daily"})),
        ];
        let intervals = [
            "ever -",
            "100 daily:09:00 UTC",
            "200 daily:09:00 Europe/Berlin",
            "300 daily:10:00 Europe/Berlin",
            "400 -",
            "500 -",
        ];
        assert_eq!(told(&job(&json!({}), "opted_in"), &history), intervals);
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
        assert_eq!(timeline.at(at(99)).stated, StatedPreference::Forgotten);
        assert!(timeline.at(at(100)).is_membership());
    }
}
