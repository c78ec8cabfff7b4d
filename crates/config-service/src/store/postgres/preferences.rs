//! Preferences as they are now: one, many tenants' for one feature, and all of a feature.

use std::collections::HashMap;

use cohort_database::statement::{query, query_opt};
use cohort_database::{Connection, Transaction};
use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, FeatureType, PreferenceEntry, TenantId,
};
use serde_json::value::RawValue;
use tokio_postgres::Row;

use super::feed;
use super::names::find_feature;
use super::row::FromRow;
use super::tenant::profiles;
use crate::cursor::Incarnation;
use crate::error::{ConfigServiceError, Result};
use crate::store::columns::tenant_id;
use crate::store::edit::AsStated;
use crate::store::list::StoredPreference;

impl FromRow for AsStated {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { version: row.get::<_, i64>("version") as u64, json: row.get("preference") })
    }
}

/// Returns one preference; `None` if there never was one.
pub(super) async fn preference(
    db: &Connection,
    tenant: &TenantId,
    feature: &FeatureType,
) -> Result<Option<AsStated>> {
    // One statement sees one state of the database: no transaction is needed around it.
    let select = "SELECT change.version AS version, change.preference AS preference
         FROM tenant
         JOIN preference ON preference.tenant = tenant.id
             AND preference.feature = (SELECT id FROM feature WHERE feature_type = $2)
         JOIN change ON change.id = change_id
         WHERE tenant_id = $1";
    let row = query_opt(db, select, &[&tenant.as_str(), &feature.as_str()]).await?;
    row.as_ref().map(AsStated::from_row).transpose()
}

/// Returns many tenants' preferences for one feature, in the order asked.
pub(super) async fn preferences(
    db: &Transaction<'_>,
    request: BatchGetRequest,
    incarnation: Incarnation,
) -> Result<BatchGetResponse> {
    let named: Vec<&str> = request.tenant_ids.iter().map(TenantId::as_str).collect();
    let select = "SELECT tenant.id AS id, tenant_id, change.version AS version, \
             change.preference AS preference
         FROM tenant
         LEFT JOIN preference ON preference.tenant = tenant.id
             AND preference.feature = (SELECT id FROM feature WHERE feature_type = $2)
         LEFT JOIN change ON change.id = change_id
         WHERE tenant_id = ANY($1)";
    let rows = query(db, select, &[&named, &request.feature_type.as_str()]).await?;
    let found: HashMap<&str, &Row> = rows.iter().map(|row| (row.get("tenant_id"), row)).collect();
    let entries =
        request.tenant_ids.iter().map(|tenant| entry(tenant, found.get(tenant.as_str()).copied()));
    let position = feed::end(db, &feed::newest(db).await?, incarnation).await?;
    Ok(BatchGetResponse { preferences: entries.collect::<Result<_>>()?, position })
}

fn entry(tenant: &TenantId, row: Option<&Row>) -> Result<PreferenceEntry> {
    let version: Option<i64> = row.and_then(|row| row.get("version"));
    let json: Option<String> = row.and_then(|row| row.get("preference"));
    let preference = json.map(RawValue::from_string).transpose().map_err(|error| {
        ConfigServiceError::Unreadable(format!("a preference that is no JSON ({error})"))
    })?;
    Ok(PreferenceEntry {
        tenant_id: tenant.clone(),
        number: row.map(|row| row.get::<_, i64>("id") as u64),
        version: version.map_or(0, |version| version as u64),
        preference,
    })
}

/// Returns the preferences of a feature that are there, behind the tenant of this number.
pub(super) async fn stated(
    db: &Transaction<'_>,
    feature: &FeatureType,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredPreference>> {
    let Some(feature) = find_feature(db, feature).await? else { return Ok(Vec::new()) };
    let select = "SELECT tenant.id AS id, tenant_id, timezone, profile_change, \
             change.version AS version, change.preference AS preference
         FROM tenant
         JOIN preference ON preference.tenant = tenant.id AND preference.feature = $1
         JOIN change ON change.id = change_id
         WHERE tenant.id > $2 AND tenant_id IS NOT NULL AND change.preference IS NOT NULL
         ORDER BY tenant.id LIMIT $3";
    let rows = query(db, select, &[&feature, &(after as i64), &(limit as i64)]).await?;
    let mut profiles = profiles(db, &rows).await?;
    let stated = |row: &Row| {
        let number: i64 = row.get("id");
        Ok(StoredPreference {
            tenant_id: tenant_id(row.get("tenant_id"))?,
            number: number as u64,
            profile: profiles.remove(&number).unwrap_or_default(),
            version: row.get::<_, i64>("version") as u64,
            json: row.get("preference"),
        })
    };
    rows.iter().map(stated).collect()
}
