//! Looks up the numbers of tenants, features and groups, and what numbers stand for.

use std::sync::Arc;

use cohort_preferences::{FeatureType, StatedGroup, TenantId};
use rusqlite::{Connection, OptionalExtension, Params};

use super::row::query_opt;
use crate::error::Result;
use crate::store::columns::{feature_type, unreadable};
use crate::store::names::Names;

/// Returns the group of a number that stands in a committed row.
pub(super) fn group(db: &Connection, names: &Names, number: i64) -> Result<Arc<StatedGroup>> {
    if let Some(group) = names.group(number) {
        return Ok(group);
    }
    let select = "SELECT frequency, time_key, timezone FROM stated_group WHERE id = ?1";
    let group = query_opt(db, select, [number])?;
    let group = group.ok_or_else(|| unreadable("group", &number.to_string()))?;
    Ok(names.keep_group(number, group))
}

/// Returns the feature of a number that stands in a committed row.
pub(super) fn feature(db: &Connection, names: &Names, number: i64) -> Result<FeatureType> {
    if let Some(feature) = names.feature(number) {
        return Ok(feature);
    }
    let mut select = db.prepare_cached("SELECT feature_type FROM feature WHERE id = ?1")?;
    let feature: String = select.query_row([number], |row| row.get("feature_type"))?;
    let feature = feature_type(&feature)?;
    names.keep_feature(number, &feature);
    Ok(feature)
}

/// Returns the number of a tenant; `None` if it is not there.
pub(super) fn find_tenant(db: &Connection, tenant: &TenantId) -> Result<Option<i64>> {
    find_id(db, "SELECT id FROM tenant WHERE tenant_id = ?1", [tenant.as_str()])
}

/// Returns the number of a feature; `None` if it has none.
pub(super) fn find_feature(db: &Connection, feature: &FeatureType) -> Result<Option<i64>> {
    find_id(db, "SELECT id FROM feature WHERE feature_type = ?1", [feature.as_str()])
}

/// Returns the number of a group; `None` if it has none.
pub(super) fn find_group(
    db: &Connection,
    feature: i64,
    group: &StatedGroup,
) -> Result<Option<i64>> {
    let select = "SELECT id FROM stated_group
         WHERE feature = ?1 AND frequency = ?2 AND time_key = ?3 AND timezone = ?4";
    let (frequency, timezone) = (group.frequency_text(), group.timezone_text());
    find_id(db, select, (feature, frequency, group.time_key().to_string(), timezone))
}

fn find_id(db: &Connection, select: &str, bound: impl Params) -> Result<Option<i64>> {
    Ok(db.prepare_cached(select)?.query_row(bound, |row| row.get("id")).optional()?)
}
