//! Numbers of features and groups, kept in memory: they never change once they are committed.

use std::sync::{Arc, Mutex, MutexGuard};

use cohort_preferences::{FeatureType, StatedGroup};
use foldhash::fast::RandomState;

/// Looked up twice for each preference that is written: a fast hash pays.
type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;

/// The numbers that are committed, as far as they were looked up.
#[derive(Default)]
pub(super) struct Names(Mutex<Learned>);

/// The names that one job has met.
#[derive(Default)]
pub(super) struct Learned {
    features: HashMap<FeatureType, i64>,
    groups: HashMap<i64, HashMap<StatedGroup, i64>>,
    groups_by_number: HashMap<i64, Arc<StatedGroup>>,
    features_by_number: HashMap<i64, FeatureType>,
}

impl Learned {
    /// Notes a feature.
    pub(super) fn feature(&mut self, feature: &FeatureType, number: i64) {
        self.features.insert(feature.clone(), number);
    }

    /// Notes a group.
    pub(super) fn group(&mut self, feature: i64, group: &StatedGroup, number: i64) {
        self.groups.entry(feature).or_default().insert(group.clone(), number);
    }

    /// Returns the number of a feature that the job has met.
    pub(super) fn feature_number(&self, feature: &FeatureType) -> Option<i64> {
        self.features.get(feature).copied()
    }

    /// Returns the number of a group that the job has met.
    pub(super) fn group_number(&self, feature: i64, group: &StatedGroup) -> Option<i64> {
        self.groups.get(&feature)?.get(group).copied()
    }
}

impl Names {
    /// Adds what a job has learned, once it is committed.
    pub(super) fn keep(&self, learned: Learned) {
        let mut known = self.lock();
        known.features.extend(learned.features);
        for (feature, groups) in learned.groups {
            known.groups.entry(feature).or_default().extend(groups);
        }
    }

    /// Returns the number of a feature that is known to be committed.
    pub(super) fn feature_number(&self, feature: &FeatureType) -> Option<i64> {
        self.lock().feature_number(feature)
    }

    /// Returns the number of a group that is known to be committed.
    pub(super) fn group_number(&self, feature: i64, group: &StatedGroup) -> Option<i64> {
        self.lock().group_number(feature, group)
    }

    /// Returns the group of a number that was looked up before.
    pub(super) fn group(&self, number: i64) -> Option<Arc<StatedGroup>> {
        self.lock().groups_by_number.get(&number).cloned()
    }

    /// Keeps the group of a number that stands in a committed row.
    pub(super) fn keep_group(&self, number: i64, group: StatedGroup) -> Arc<StatedGroup> {
        let group = Arc::new(group);
        self.lock().groups_by_number.insert(number, Arc::clone(&group));
        group
    }

    /// Returns the feature of a number that was looked up before.
    pub(super) fn feature(&self, number: i64) -> Option<FeatureType> {
        self.lock().features_by_number.get(&number).cloned()
    }

    /// Keeps the feature of a number that stands in a committed row.
    pub(super) fn keep_feature(&self, number: i64, feature: &FeatureType) {
        self.lock().features_by_number.insert(number, feature.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Learned> {
        self.0.lock().expect("nobody panics while holding the names")
    }
}
