//! Preferences as they are now: one, many tenants' for one feature, and all of a feature.

use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, FeatureType, PreferenceEntry, TenantId,
};
use rusqlite::{Connection, Row};
use serde_json::value::RawValue;

use super::feed;
use super::names::{find_feature, find_tenant};
use super::row::{FromRow, columns, query_opt};
use super::tenant::{LabelReader, TenantColumns};
use crate::cursor::Incarnation;
use crate::error::{ConfigServiceError, Result};
use crate::store::edit::AsStated;
use crate::store::list::StoredPreference;

impl FromRow for AsStated {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self { version: row.get::<_, i64>("version")? as u64, json: row.get("preference")? })
    }
}

/// Returns one preference; `None` if there never was one.
pub(super) fn preference(
    db: &Connection,
    tenant: &TenantId,
    feature: &FeatureType,
) -> Result<Option<AsStated>> {
    let select = "SELECT change.version AS version, change.preference AS preference
         FROM preference JOIN change ON change.id = change_id
         WHERE preference.tenant = (SELECT id FROM tenant WHERE tenant_id = ?1)
           AND preference.feature = (SELECT id FROM feature WHERE feature_type = ?2)";
    query_opt(db, select, (tenant.as_str(), feature.as_str()))
}

/// Returns many tenants' preferences for one feature, in the order asked.
pub(super) fn preferences(
    db: &Connection,
    request: BatchGetRequest,
    incarnation: Incarnation,
) -> Result<BatchGetResponse> {
    let feature = &request.feature_type;
    let entries = request.tenant_ids.into_iter().map(|tenant| entry(db, tenant, feature));
    Ok(BatchGetResponse {
        preferences: entries.collect::<Result<_>>()?,
        position: feed::end(db, incarnation)?,
    })
}

fn entry(db: &Connection, tenant_id: TenantId, feature: &FeatureType) -> Result<PreferenceEntry> {
    let number = find_tenant(db, &tenant_id)?;
    let found = preference(db, &tenant_id, feature)?;
    let version = found.as_ref().map_or(0, |found| found.version);
    let json = found.and_then(|found| found.json).map(RawValue::from_string);
    let preference = json.transpose().map_err(|error| {
        ConfigServiceError::Unreadable(format!("a preference that is no JSON ({error})"))
    })?;
    Ok(PreferenceEntry {
        tenant_id,
        number: number.map(|number| number as u64),
        version,
        preference,
    })
}

columns! {
    /// Where the columns of a stated preference stand, beside those of its tenant.
    StatedColumns { version, preference }
}

/// Returns the preferences of a feature that are there, behind the tenant of this number.
pub(super) fn stated(
    db: &Connection,
    feature: &FeatureType,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredPreference>> {
    let Some(feature) = find_feature(db, feature)? else { return Ok(Vec::new()) };
    let mut labels = LabelReader::prepare(db)?;
    let mut select = db.prepare_cached(
        "SELECT tenant.id AS id, tenant_id, tenant.created_at AS created_at, timezone, \
             profile_version, profile_change, change.version AS version, \
             change.preference AS preference
         FROM tenant
         JOIN preference ON preference.tenant = tenant.id AND preference.feature = ?1
         JOIN change ON change.id = change_id
         WHERE tenant.id > ?2 AND tenant_id IS NOT NULL AND change.preference IS NOT NULL
         ORDER BY tenant.id LIMIT ?3",
    )?;
    let (tenant, columns) = (TenantColumns::of(&select)?, StatedColumns::of(&select)?);
    let mut rows = select.query((feature, after as i64, limit as i64))?;
    let mut stated = Vec::new();
    while let Some(row) = rows.next()? {
        stated.push(StoredPreference {
            tenant_id: tenant.name(row)?,
            number: tenant.number(row)? as u64,
            profile: labels.tenant(row, &tenant)?.profile,
            version: row.get::<_, i64>(columns.version)? as u64,
            json: row.get(columns.preference)?,
        });
    }
    Ok(stated)
}
