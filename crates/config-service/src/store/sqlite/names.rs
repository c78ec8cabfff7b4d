//! Looks up the numbers of features and groups.

use std::sync::Arc;

use cohort_preferences::{FeatureType, StatedGroup};
use rusqlite::{Connection, OptionalExtension};

use crate::store::names::Names;
use crate::store::{Result, columns};

/// The group of a number that stands in a committed row.
pub(super) fn group(db: &Connection, names: &Names, number: i64) -> Result<Arc<StatedGroup>> {
    match names.group(number) {
        Some(group) => Ok(group),
        None => Ok(names.keep_group(number, read_group(db, number)?)),
    }
}

/// The feature of a number that stands in a committed row.
pub(super) fn feature(db: &Connection, names: &Names, number: i64) -> Result<FeatureType> {
    if let Some(feature) = names.feature(number) {
        return Ok(feature);
    }
    let mut select = db.prepare_cached("SELECT feature_type FROM feature WHERE id = ?1")?;
    let feature =
        columns::feature_type(&select.query_row([number], |row| row.get::<_, String>(0))?)?;
    names.keep_feature(number, &feature);
    Ok(feature)
}

/// The number of a feature, if it has one.
pub(super) fn find_feature(db: &Connection, feature: &FeatureType) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT id FROM feature WHERE feature_type = ?1")?;
    Ok(select.query_row([feature.as_str()], |row| row.get(0)).optional()?)
}

/// The number of a group, if it has one.
pub(super) fn find_group(
    db: &Connection,
    feature: i64,
    group: &StatedGroup,
) -> Result<Option<i64>> {
    let mut select = db.prepare_cached(
        "SELECT id FROM stated_group WHERE feature = ?1 AND frequency = ?2 AND \
            time_key = ?3 AND timezone = ?4",
    )?;
    let key =
        (feature, group.frequency_text(), group.time_key().to_string(), group.timezone_text());
    Ok(select.query_row(key, |row| row.get(0)).optional()?)
}

fn read_group(db: &Connection, number: i64) -> Result<StatedGroup> {
    let mut select =
        db.prepare_cached("SELECT frequency, time_key, timezone FROM stated_group WHERE id = ?1")?;
    let parts: (String, String, String) =
        select.query_row([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    columns::group(&parts.0, &parts.1, &parts.2)
}
