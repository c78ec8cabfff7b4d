//! What is there now: preferences, tenants, groups.

use std::collections::BTreeMap;

use cohort_preferences::{BatchGetRequest, BatchGetResponse, FeatureType, GroupSummary, PreferenceEntry, TenantId, Zone};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::value::RawValue;

use super::names::{find_feature, parse_group, unreadable};
use super::{feed, instant};
use crate::cursor::Incarnation;
use crate::error::ConfigServiceError;
use crate::store::{Current, Result, Tenant};

/// A tenant's number, if it ever wrote.
pub(super) fn tenant_number(db: &Connection, tenant: &TenantId) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT id FROM tenant WHERE tenant_id = ?1")?;
    Ok(select.query_row([tenant.as_str()], |row| row.get(0)).optional()?)
}

/// The zone that the tenant gave for preferences that state none (T12).
pub(super) fn timezone(db: &Connection, tenant: i64) -> Result<Option<Zone>> {
    let mut select = db.prepare_cached("SELECT timezone FROM tenant WHERE id = ?1")?;
    let name: Option<String> = select.query_row([tenant], |row| row.get(0))?;
    let parse = |name: String| name.parse().map_err(|_no_such_zone| unreadable("zone", &name));
    name.map(parse).transpose()
}

/// Everything of a tenant.
pub(super) fn tenant(db: &Connection, tenant: &TenantId) -> Result<Option<Tenant>> {
    let number = tenant_number(db, tenant)?;
    number.map(|number| tenant_of(db, number, None)).transpose()
}

/// What is known of a tenant: all of its preferences, or the one of `feature`.
pub(super) fn tenant_of(db: &Connection, number: i64, feature: Option<&FeatureType>) -> Result<Tenant> {
    let preferences = match feature {
        Some(feature) => find(db, number, feature)?.map(|current| (feature.clone(), current)).into_iter().collect(),
        None => all(db, number)?,
    };
    Ok(Tenant { timezone: timezone(db, number)?, preferences })
}

fn all(db: &Connection, tenant: i64) -> Result<BTreeMap<FeatureType, Current>> {
    let mut select = db.prepare_cached(
        "SELECT change.version, change.at, change.preference, feature_type FROM preference
         JOIN change ON change.id = change_id JOIN feature ON feature.id = preference.feature WHERE preference.tenant = ?1",
    )?;
    let mut rows = select.query([tenant])?;
    let mut all = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let feature: String = row.get(3)?;
        let feature = feature.parse().map_err(|_malformed| unreadable("feature", &feature))?;
        all.insert(feature, current(row)?);
    }
    Ok(all)
}

fn find(db: &Connection, tenant: i64, feature: &FeatureType) -> Result<Option<Current>> {
    let mut select = db.prepare_cached(
        "SELECT change.version, change.at, change.preference FROM preference JOIN change ON change.id = change_id
         WHERE preference.tenant = ?1 AND preference.feature = (SELECT id FROM feature WHERE feature_type = ?2)",
    )?;
    let mut rows = select.query((tenant, feature.as_str()))?;
    rows.next()?.map(current).transpose()
}

fn current(row: &Row<'_>) -> Result<Current> {
    Ok(Current { version: row.get::<_, i64>(0)? as u64, at: instant(row.get(1)?)?, json: row.get(2)? })
}

/// One preference; `None` if there never was one.
pub(super) fn preference(db: &Connection, tenant: &TenantId, feature: &FeatureType) -> Result<Option<Current>> {
    match tenant_number(db, tenant)? {
        Some(number) => find(db, number, feature),
        None => Ok(None),
    }
}

/// Many tenants' preferences for one feature, in the order asked.
pub(super) fn preferences(db: &Connection, request: BatchGetRequest, incarnation: Incarnation) -> Result<BatchGetResponse> {
    let feature = &request.feature_type;
    let entries = request.tenant_ids.into_iter().map(|tenant| entry(db, tenant, feature));
    Ok(BatchGetResponse { preferences: entries.collect::<Result<_>>()?, position: incarnation.position(feed::newest(db)?) })
}

fn entry(db: &Connection, tenant_id: TenantId, feature: &FeatureType) -> Result<PreferenceEntry> {
    let current = preference(db, &tenant_id, feature)?;
    let version = current.as_ref().map_or(0, |current| current.version);
    let json = current.and_then(|current| current.json).map(RawValue::from_string);
    Ok(PreferenceEntry {
        tenant_id,
        version,
        preference: json.transpose().map_err(|error| ConfigServiceError::Unreadable(format!("a preference that is no JSON ({error})")))?,
    })
}

/// The groups of a feature that have members, and those that lost their last after `emptied_after`.
pub(super) fn groups(db: &Connection, feature: &FeatureType, emptied_after: Timestamp) -> Result<Vec<GroupSummary>> {
    let Some(feature) = find_feature(db, feature)? else {
        return Ok(Vec::new());
    };
    let mut select = db.prepare_cached(
        "SELECT frequency, time_key, timezone, count, since, empty_since FROM stated_group
         WHERE feature = ?1 AND (count > 0 OR empty_since > ?2) ORDER BY frequency, time_key, timezone",
    )?;
    let mut rows = select.query((feature, emptied_after.as_microsecond()))?;
    let mut groups = Vec::new();
    while let Some(row) = rows.next()? {
        groups.push(summary(row)?);
    }
    Ok(groups)
}

fn summary(row: &Row<'_>) -> Result<GroupSummary> {
    let (frequency, time_key, timezone): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(GroupSummary {
        group: parse_group(&frequency, &time_key, &timezone)?,
        count: row.get::<_, i64>(3)? as u64,
        since: instant(row.get(4)?)?,
        empty_since: row.get::<_, Option<i64>>(5)?.map(instant).transpose()?,
    })
}
