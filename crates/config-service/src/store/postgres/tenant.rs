//! Tenants with everything that they prefer. Rows that belong together are looked up by arrays of
//! keys, so that the server goes by its indexes whatever it believes to know of the tables' sizes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cohort_database::Transaction;
use cohort_database::statement::query;
use cohort_preferences::{FeatureType, Labels, StatedGroup, TenantId};
use serde_json::{Map, Value};
use tokio_postgres::Row;

use super::row::FromRow;
use crate::error::Result;
use crate::store::columns::{self, feature_type, instant, tenant_id, zone};
use crate::store::edit::{Current, Membership, Profile, Tenant};
use crate::store::list::StoredTenant;
use crate::store::plan::Tenants;

/// The columns of a tenant.
const TENANT: &str =
    "SELECT id, tenant_id, created_at, timezone, profile_version, profile_change FROM tenant";

/// Returns a tenant with everything.
pub(super) async fn tenant(db: &Transaction<'_>, name: &TenantId) -> Result<Option<Tenant>> {
    Ok(tenants_named(db, &[name]).await?.remove(name))
}

/// Returns those of these tenants that are there, with everything.
pub(super) async fn tenants_named(db: &Transaction<'_>, named: &[&TenantId]) -> Result<Tenants> {
    let named: Vec<&str> = named.iter().map(|tenant| tenant.as_str()).collect();
    let rows = query(db, &format!("{TENANT} WHERE tenant_id = ANY($1)"), &[&named]).await?;
    let tenants = with_everything(db, &rows).await?;
    Ok(tenants.into_iter().map(|stored| (stored.tenant_id, stored.tenant)).collect())
}

/// Returns tenants with everything, behind the one of this number.
pub(super) async fn documents(
    db: &Transaction<'_>,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredTenant>> {
    let select = format!("{TENANT} WHERE id > $1 AND tenant_id IS NOT NULL ORDER BY id LIMIT $2");
    with_everything(db, &query(db, &select, &[&(after as i64), &(limit as i64)]).await?).await
}

/// Returns the tenants of rows of [`TENANT`], in their order.
async fn with_everything(db: &Transaction<'_>, rows: &[Row]) -> Result<Vec<StoredTenant>> {
    let mut profiles = profiles(db, rows).await?;
    let mut preferences = preferences_of(db, &ids(rows)).await?;
    let tenant = |row: &Row| {
        let number: i64 = row.get("id");
        let tenant = Tenant {
            number: Some(number),
            created_at: Some(instant(row.get("created_at"))?),
            profile: profiles.remove(&number).unwrap_or_default(),
            profile_version: row.get::<_, i64>("profile_version") as u64,
            profile_change: row.get("profile_change"),
            preferences: preferences.remove(&number).unwrap_or_default(),
        };
        Ok(StoredTenant { tenant_id: tenant_id(row.get("tenant_id"))?, tenant })
    };
    rows.iter().map(tenant).collect()
}

fn ids<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Vec<i64> {
    rows.into_iter().map(|row| row.get("id")).collect()
}

/// Returns the profiles of tenants by number, from rows that hold the columns of [`TENANT`].
pub(super) async fn profiles(db: &Transaction<'_>, rows: &[Row]) -> Result<HashMap<i64, Profile>> {
    // Without a change there are no labels to look for.
    let is_changed = |row: &&Row| row.get::<_, Option<i64>>("profile_change").is_some();
    let mut labels = labels_by_number(db, &ids(rows.iter().filter(is_changed))).await?;
    let profile = |row: &Row| {
        let number = row.get("id");
        let timezone = row.get::<_, Option<&str>>("timezone").map(zone).transpose()?;
        Ok((number, Profile { timezone, labels: labels.remove(&number).unwrap_or_default() }))
    };
    rows.iter().map(profile).collect()
}

async fn labels_by_number(db: &Transaction<'_>, tenants: &[i64]) -> Result<HashMap<i64, Labels>> {
    if tenants.is_empty() {
        return Ok(HashMap::new());
    }
    let select = "SELECT tenant, name, value FROM tenant_label WHERE tenant = ANY($1)";
    let mut labels: HashMap<i64, Map<String, Value>> = HashMap::new();
    for row in query(db, select, &[&tenants]).await? {
        let of_tenant = labels.entry(row.get("tenant")).or_default();
        of_tenant.insert(row.get("name"), Value::String(row.get("value")));
    }
    labels.into_iter().map(|(tenant, labels)| Ok((tenant, columns::labels(labels)?))).collect()
}

/// Returns the labels of those tenants that have any.
pub(super) async fn labels(
    db: &Transaction<'_>,
    tenants: Vec<TenantId>,
) -> Result<HashMap<TenantId, Labels>> {
    let named: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
    let select = "SELECT id, tenant_id FROM tenant
         WHERE tenant_id = ANY($1) AND profile_change IS NOT NULL";
    let rows = query(db, select, &[&named]).await?;
    let mut labels = labels_by_number(db, &ids(&rows)).await?;
    let labelled = |row: &Row| {
        let labels = labels.remove(&row.get("id"))?;
        Some(tenant_id(row.get("tenant_id")).map(|tenant| (tenant, labels)))
    };
    rows.iter().filter_map(labelled).collect()
}

const CURRENT: &str = "SELECT preference.tenant AS tenant, change.version AS version, \
    change.at AS at, change.preference AS preference, change.id AS change_id, stated_since, \
    group_since, frequency, time_key, stated_group.timezone AS timezone, feature_type
    FROM preference
    JOIN change ON change.id = change_id
    JOIN feature ON feature.id = preference.feature
    LEFT JOIN stated_group ON stated_group.id = group_id";

/// Returns the preferences of tenants by number, deleted ones too.
async fn preferences_of(
    db: &Transaction<'_>,
    tenants: &[i64],
) -> Result<HashMap<i64, BTreeMap<FeatureType, Arc<Current>>>> {
    let mut all: HashMap<i64, BTreeMap<_, _>> = HashMap::with_capacity(tenants.len());
    if tenants.is_empty() {
        return Ok(all);
    }
    let select = format!("{CURRENT} WHERE preference.tenant = ANY($1)");
    for row in query(db, &select, &[&tenants]).await? {
        let current = Arc::new(Current::from_row(&row)?);
        let of_tenant = all.entry(row.get("tenant")).or_default();
        of_tenant.insert(feature_type(row.get("feature_type"))?, current);
    }
    Ok(all)
}

impl FromRow for Current {
    fn from_row(row: &Row) -> Result<Self> {
        let since: Option<i64> = row.get("group_since");
        let member = |since| {
            Ok::<_, crate::ConfigServiceError>(Membership {
                group: StatedGroup::from_row(row)?,
                since: instant(since)?,
            })
        };
        Ok(Self {
            version: row.get::<_, i64>("version") as u64,
            at: instant(row.get("at"))?,
            json: row.get::<_, Option<&str>>("preference").map(Into::into),
            change: row.get("change_id"),
            stated_since: instant(row.get("stated_since"))?,
            member: since.map(member).transpose()?,
        })
    }
}

impl FromRow for StatedGroup {
    fn from_row(row: &Row) -> Result<Self> {
        columns::group(row.get("frequency"), row.get("time_key"), row.get("timezone"))
    }
}
