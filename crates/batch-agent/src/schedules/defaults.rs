//! The defaults that complete stated groups, over time (T12).
//!
//! Defaults hold from the instant of their change: an occurrence before it is planned by the
//! earlier ones, however late it is planned. So a stated group belongs to one preference group for
//! an interval of time, and to another afterwards.

use std::collections::BTreeSet;

use cohort_preferences::{
    Defaults, FeatureDefaults, Job, Preference, PreferenceGroup, StatedGroup, UnresolvedGroup,
};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// The defaults of one job over time.
#[derive(Debug, Clone)]
pub(crate) struct DefaultsInTime {
    /// Oldest first; the first holds from the beginning of time, the last holds now.
    periods: Vec<(Timestamp, Defaults)>,
}

/// An interval in which a stated group is part of a preference group; without an end if it still
/// is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

impl Interval {
    pub(crate) fn contains(self, instant: Timestamp) -> bool {
        self.from <= instant && self.until.is_none_or(|until| instant < until)
    }
}

impl DefaultsInTime {
    /// The defaults of a job and of its feature over time, each oldest first. The feature's have
    /// precedence over the job's. The job's oldest hold from the beginning of time.
    pub(crate) fn of(of_job: &[(Timestamp, Preference)], of_feature: &[FeatureDefaults]) -> Self {
        let changes = of_job
            .iter()
            .skip(1)
            .map(|(at, _)| *at)
            .chain(of_feature.iter().map(|feature| feature.since));
        let instants: BTreeSet<Timestamp> = changes.chain([Timestamp::MIN]).collect();
        let at = |instant: Timestamp| {
            let feature = of_feature
                .iter()
                .rfind(|feature| feature.since <= instant)
                .and_then(|feature| feature.default_preferences.as_ref());
            let job = of_job.iter().rfind(|(since, _)| *since <= instant).or(of_job.first());
            let layers = feature
                .map(|defaults| defaults.meant().clone())
                .into_iter()
                .chain(job.map(|(_, defaults)| defaults.clone()));
            (instant, Defaults(layers.collect()))
        };
        Self { periods: instants.into_iter().map(at).collect() }
    }

    /// The defaults of a job that has always had the same ones, and of no feature.
    pub(crate) fn of_job(job: &Job) -> Self {
        Self::of(&[(Timestamp::MIN, job.default_preferences.clone())], &[])
    }

    /// The preference group that a stated group is part of now.
    pub(super) fn resolve(&self, stated: &StatedGroup) -> Result<PreferenceGroup, UnresolvedGroup> {
        stated.resolve(self.now())
    }

    /// The preference group that a stated group was part of at an instant.
    pub(crate) fn resolve_at(
        &self,
        stated: &StatedGroup,
        at: Timestamp,
    ) -> Result<PreferenceGroup, UnresolvedGroup> {
        let (_, defaults) = self
            .periods
            .iter()
            .rfind(|(from, _)| *from <= at)
            .expect("the first holds from the beginning of time");
        stated.resolve(defaults)
    }

    /// The instants at which they changed.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Timestamp> {
        self.periods.iter().skip(1).map(|(from, _)| *from)
    }

    /// The preference groups that a stated group was part of, and the one that it is part of now.
    ///
    /// # Errors
    /// If the defaults of now do not complete it. Earlier ones that did not are passed over:
    /// nothing fired by them.
    pub(super) fn intervals(
        &self,
        stated: &StatedGroup,
    ) -> Result<Vec<(PreferenceGroup, Interval)>, UnresolvedGroup> {
        self.resolve(stated)?;
        Ok(self.groups(stated))
    }

    /// The same, even if the defaults of now do not complete it.
    pub(crate) fn groups(&self, stated: &StatedGroup) -> Vec<(PreferenceGroup, Interval)> {
        let mut intervals: Vec<(PreferenceGroup, Interval)> = Vec::new();
        for (index, (from, defaults)) in self.periods.iter().enumerate() {
            let Ok(group) = stated.resolve(defaults) else { continue };
            let until = self.periods.get(index + 1).map(|(next, _)| *next);
            match intervals.last_mut() {
                Some((last, interval)) if *last == group && interval.until == Some(*from) => {
                    interval.until = until;
                }
                _ => intervals.push((group, Interval { from: *from, until })),
            }
        }
        intervals
    }

    /// The overrides of the defaults of now, those of the feature over those of the job, key by
    /// key.
    pub(super) fn template_overrides(&self) -> Map<String, Value> {
        let weakest_first =
            self.now().0.iter().rev().flat_map(|layer| layer.template_overrides.clone());
        weakest_first.collect()
    }

    fn now(&self) -> &Defaults {
        &self.periods.last().expect("the period before the first change is always there").1
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(defaults: &Value) -> [(Timestamp, Preference); 1] {
        [(at(1), Preference::from_json(defaults, "").expect("defaults"))]
    }

    fn feature(since: i64, defaults: &Value) -> FeatureDefaults {
        serde_json::from_value(json!({"since": at(since), "default_preferences": defaults}))
            .expect("defaults")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn told(defaults: &DefaultsInTime, stated: [&str; 3]) -> Vec<(String, Option<i64>)> {
        let stated = StatedGroup::parse(stated[0], stated[1], stated[2]).expect("a group");
        let intervals = defaults.intervals(&stated).expect("completed");
        intervals
            .iter()
            .map(|(group, interval)| (group.to_string(), interval.until.map(Timestamp::as_second)))
            .collect()
    }

    #[test]
    fn a_stated_group_moves_when_the_defaults_that_complete_it_change() {
        let changed =
            [feature(100, &json!({"preferred_time": "10:00"})), feature(200, &Value::Null)];
        let defaults = DefaultsInTime::of(
            &job(&json!({"frequency": "daily", "preferred_time": "08:00"})),
            &changed,
        );
        assert_eq!(
            told(&defaults, ["daily", "-", "UTC"]),
            [
                ("daily:08:00 UTC".into(), Some(100)),
                ("daily:10:00 UTC".into(), Some(200)),
                ("daily:08:00 UTC".into(), None)
            ]
        );
        assert_eq!(
            told(&defaults, ["daily", "07:00", "UTC"]),
            [("daily:07:00 UTC".into(), None)],
            "who states all never moves"
        );
    }

    #[test]
    fn another_version_of_the_job_moves_those_whom_the_feature_leaves_open() {
        let versions = [
            job(&json!({"frequency": "daily"})),
            job(&json!({"frequency": "daily", "preferred_time": "11:00"})),
        ];
        let versions = [(at(1), versions[0][0].1.clone()), (at(300), versions[1][0].1.clone())];
        let defaults = DefaultsInTime::of(&versions, &[]);
        assert_eq!(
            told(&defaults, ["daily", "-", "UTC"]),
            [("daily:09:00 UTC".into(), Some(300)), ("daily:11:00 UTC".into(), None)]
        );
    }

    #[test]
    fn what_no_earlier_default_completed_begins_with_the_one_that_does() {
        let defaults =
            DefaultsInTime::of(&job(&json!({})), &[feature(100, &json!({"frequency": "daily"}))]);
        assert_eq!(told(&defaults, ["-", "-", "-"]), [("daily:09:00 UTC".into(), None)]);
        let stated = StatedGroup::parse("-", "-", "-").expect("a group");
        assert_eq!(defaults.intervals(&stated).expect("completed")[0].1.from, at(100));
        assert!(DefaultsInTime::of(&job(&json!({})), &[]).intervals(&stated).is_err());
    }

    #[test]
    fn overrides_of_the_feature_lie_over_those_of_the_job() {
        let of_job = json!({"template_overrides": {"tone": "plain", "length": "short"}});
        let of_feature = feature(100, &json!({"template_overrides": {"tone": "dry"}}));
        let merged = DefaultsInTime::of(&job(&of_job), &[of_feature]).template_overrides();
        assert_eq!(Value::Object(merged), json!({"tone": "dry", "length": "short"}));
    }
}
