//! Numbers of features and groups, kept in memory: they never change once they are committed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cohort_preferences::{FeatureType, StatedGroup};
use rusqlite::{Connection, OptionalExtension};

use crate::error::ConfigServiceError;
use crate::store::Result;

/// What is committed, as far as somebody has asked.
#[derive(Default)]
pub(super) struct Names(Mutex<Learned>);

/// Names met by one job.
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

    /// The number of a feature met before.
    pub(super) fn feature_number(&self, feature: &FeatureType) -> Option<i64> {
        self.features.get(feature).copied()
    }

    /// The number of a group met before.
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

    /// The number of a feature, if it is known to be committed.
    pub(super) fn feature_number(&self, feature: &FeatureType) -> Option<i64> {
        self.lock().feature_number(feature)
    }

    /// The number of a group, if it is known to be committed.
    pub(super) fn group_number(&self, feature: i64, group: &StatedGroup) -> Option<i64> {
        self.lock().group_number(feature, group)
    }

    /// The group of a number that stands in a committed row.
    pub(super) fn group(&self, db: &Connection, number: i64) -> Result<Arc<StatedGroup>> {
        if let Some(group) = self.lock().groups_by_number.get(&number) {
            return Ok(Arc::clone(group));
        }
        let group = Arc::new(read_group(db, number)?);
        self.lock().groups_by_number.insert(number, Arc::clone(&group));
        Ok(group)
    }

    /// The feature of a number that stands in a committed row.
    pub(super) fn feature(&self, db: &Connection, number: i64) -> Result<FeatureType> {
        if let Some(feature) = self.lock().features_by_number.get(&number) {
            return Ok(feature.clone());
        }
        let mut select = db.prepare_cached("SELECT feature_type FROM feature WHERE id = ?1")?;
        let text: String = select.query_row([number], |row| row.get(0))?;
        let feature: FeatureType = text.parse().map_err(|_| unreadable("feature", &text))?;
        self.lock().features_by_number.insert(number, feature.clone());
        Ok(feature)
    }

    fn lock(&self) -> MutexGuard<'_, Learned> {
        self.0.lock().expect("nobody panics while holding the names")
    }
}

/// The number of a feature, if it has one.
pub(super) fn find_feature(db: &Connection, feature: &FeatureType) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT id FROM feature WHERE feature_type = ?1")?;
    Ok(select.query_row([feature.as_str()], |row| row.get(0)).optional()?)
}

/// The number of a group, if it has one.
pub(super) fn find_group(db: &Connection, feature: i64, group: &StatedGroup) -> Result<Option<i64>> {
    let mut select =
        db.prepare_cached("SELECT id FROM stated_group WHERE feature = ?1 AND frequency = ?2 AND time_key = ?3 AND timezone = ?4")?;
    let key = (feature, group.frequency_text(), group.time_key().to_string(), group.timezone_text());
    Ok(select.query_row(key, |row| row.get(0)).optional()?)
}

fn read_group(db: &Connection, number: i64) -> Result<StatedGroup> {
    let mut select = db.prepare_cached("SELECT frequency, time_key, timezone FROM stated_group WHERE id = ?1")?;
    let parts: (String, String, String) = select.query_row([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    parse_group(&parts.0, &parts.1, &parts.2)
}

/// The group of three columns.
pub(super) fn parse_group(frequency: &str, time_key: &str, timezone: &str) -> Result<StatedGroup> {
    StatedGroup::parse(frequency, time_key, timezone).map_err(|error| unreadable("group", &error.to_string()))
}

/// Stored text that should have been readable.
pub(super) fn unreadable(kind: &str, text: &str) -> ConfigServiceError {
    ConfigServiceError::Unreadable(format!("the {kind} {text:?}"))
}
