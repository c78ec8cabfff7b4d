//! What is there now: preferences, tenants, groups. Rows that belong together are looked up by
//! arrays of keys, so that the server goes by its indexes whatever it believes to know of the
//! tables' sizes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cohort_database::{Reader, Transaction};
use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, FeatureType, GroupSummary, Labels, PreferenceEntry, TenantId,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio_postgres::Row;

use super::names::find_feature;
use super::{definitions, feed};
use crate::cursor::Incarnation;
use crate::error::ConfigServiceError;
use crate::store::columns::{feature_type, instant, tenant_id, zone};
use crate::store::edit::{AsStated, Current, Membership, Profile, Tenant};
use crate::store::list::{GroupPage, GroupsQuery, StoredPreference, StoredTenant};
use crate::store::plan::Tenants;
use crate::store::{Result, columns};
use cohort_database::statement::query;

const TENANT: &str =
    "SELECT id, tenant_id, created_at, timezone, profile_version, profile_change FROM tenant";

/// A tenant with everything.
pub(super) async fn tenant(db: &Transaction<'_>, tenant: &TenantId) -> Result<Option<Tenant>> {
    Ok(tenants_named(db, &[tenant]).await?.remove(tenant))
}

/// Those of these tenants that are there, with everything.
pub(super) async fn tenants_named(db: &Transaction<'_>, named: &[&TenantId]) -> Result<Tenants> {
    let named: Vec<&str> = named.iter().map(|tenant| tenant.as_str()).collect();
    let rows = query(db, &format!("{TENANT} WHERE tenant_id = ANY($1)"), &[&named]).await?;
    Ok(with_everything(db, &rows)
        .await?
        .into_iter()
        .map(|stored| (stored.tenant_id, stored.tenant))
        .collect())
}

/// The tenants of rows of [`TENANT`], in their order.
async fn with_everything(db: &Transaction<'_>, rows: &[Row]) -> Result<Vec<StoredTenant>> {
    let mut profiles = profiles(db, rows).await?;
    let mut preferences = all(db, &rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>()).await?;
    let mut tenants = Vec::with_capacity(rows.len());
    for row in rows {
        let number: i64 = row.get(0);
        let tenant = Tenant {
            number: Some(number),
            created_at: Some(instant(row.get(2))?),
            profile: profiles.remove(&number).unwrap_or_default(),
            profile_version: row.get::<_, i64>(4) as u64,
            profile_change: row.get(5),
            preferences: preferences.remove(&number).unwrap_or_default(),
        };
        tenants.push(StoredTenant { tenant_id: tenant_id(row.get(1))?, tenant });
    }
    Ok(tenants)
}

/// The profiles of tenants by number, from rows of [`TENANT`].
pub(super) async fn profiles(db: &Transaction<'_>, rows: &[Row]) -> Result<HashMap<i64, Profile>> {
    // Without a change there are no labels to look for.
    let changed = rows.iter().filter(|row| row.get::<_, Option<i64>>(5).is_some());
    let mut labels = labels(db, &changed.map(|row| row.get(0)).collect::<Vec<i64>>()).await?;
    let profile = |row: &Row| {
        let number = row.get(0);
        let timezone = row.get::<_, Option<&str>>(3).map(zone).transpose()?;
        Ok((number, Profile { timezone, labels: labels.remove(&number).unwrap_or_default() }))
    };
    rows.iter().map(profile).collect()
}

/// The labels of those tenants that have any, by number.
async fn labels(db: &Transaction<'_>, tenants: &[i64]) -> Result<HashMap<i64, Labels>> {
    if tenants.is_empty() {
        return Ok(HashMap::new());
    }
    let mut labels: HashMap<i64, Map<String, Value>> = HashMap::new();
    for row in query(
        db,
        "SELECT tenant, name, value FROM tenant_label WHERE tenant = ANY($1)",
        &[&tenants],
    )
    .await?
    {
        labels.entry(row.get(0)).or_default().insert(row.get(1), Value::String(row.get(2)));
    }
    labels.into_iter().map(|(tenant, labels)| Ok((tenant, columns::labels(labels)?))).collect()
}

/// The labels of those tenants that have any.
pub(super) async fn labels_of(
    db: &Transaction<'_>,
    tenants: Vec<TenantId>,
) -> Result<HashMap<TenantId, Labels>> {
    let named: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
    let rows = query(
        db,
        "SELECT id, tenant_id FROM tenant WHERE tenant_id = ANY($1) AND profile_change IS NOT NULL",
        &[&named],
    )
    .await?;
    let mut labels = labels(db, &rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>()).await?;
    let labelled =
        |row: &Row| labels.remove(&row.get(0)).map(|labels| Ok((tenant_id(row.get(1))?, labels)));
    rows.iter().filter_map(labelled).collect()
}

const CURRENT: &str =
    "SELECT change.version, change.at, change.preference, change.id, stated_since, group_since,
    frequency, time_key, stated_group.timezone, feature_type, preference.tenant FROM preference
    JOIN change ON change.id = change_id JOIN feature ON feature.id = preference.feature
    LEFT JOIN stated_group ON stated_group.id = group_id";

/// The preferences of tenants, deleted ones too.
async fn all(
    db: &Transaction<'_>,
    tenants: &[i64],
) -> Result<HashMap<i64, BTreeMap<FeatureType, Arc<Current>>>> {
    let mut all: HashMap<i64, BTreeMap<FeatureType, Arc<Current>>> =
        HashMap::with_capacity(tenants.len());
    if tenants.is_empty() {
        return Ok(all);
    }
    for row in
        query(db, &format!("{CURRENT} WHERE preference.tenant = ANY($1)"), &[&tenants]).await?
    {
        all.entry(row.get(10)).or_default().insert(feature_type(row.get(9))?, current(&row)?);
    }
    Ok(all)
}

fn current(row: &Row) -> Result<Arc<Current>> {
    Ok(Arc::new(Current {
        version: row.get::<_, i64>(0) as u64,
        at: instant(row.get(1))?,
        json: row.get::<_, Option<&str>>(2).map(Into::into),
        change: row.get(3),
        stated_since: instant(row.get(4))?,
        member: row.get::<_, Option<i64>>(5).map(|since| membership(row, since)).transpose()?,
    }))
}

fn membership(row: &Row, since: i64) -> Result<Membership> {
    Ok(Membership {
        group: columns::group(row.get(6), row.get(7), row.get(8))?,
        since: instant(since)?,
    })
}

/// One preference; `None` if there never was one.
pub(super) async fn preference(
    db: &Reader,
    tenant: &TenantId,
    feature: &FeatureType,
) -> Result<Option<AsStated>> {
    // One statement sees one state of the database: no transaction is needed around it.
    let select = db
        .prepare_cached(
            "SELECT change.version, change.preference FROM tenant
             JOIN preference ON preference.tenant = tenant.id AND preference.feature = (SELECT id \
             FROM feature WHERE feature_type = $2)
             JOIN change ON change.id = change_id WHERE tenant_id = $1",
        )
        .await?;
    let row = db.query_opt(&select, &[&tenant.as_str(), &feature.as_str()]).await?;
    Ok(row.map(|row| AsStated { version: row.get::<_, i64>(0) as u64, json: row.get(1) }))
}

/// Many tenants' preferences for one feature, in the order asked.
pub(super) async fn preferences(
    db: &Transaction<'_>,
    request: BatchGetRequest,
    incarnation: Incarnation,
) -> Result<BatchGetResponse> {
    let named: Vec<&str> = request.tenant_ids.iter().map(TenantId::as_str).collect();
    let select = "SELECT tenant_id, change.version, change.preference, tenant.id FROM tenant
         LEFT JOIN preference ON preference.tenant = tenant.id AND preference.feature = (SELECT id \
         FROM feature WHERE feature_type = $2)
         LEFT JOIN change ON change.id = change_id WHERE tenant_id = ANY($1)";
    let rows = query(db, select, &[&named, &request.feature_type.as_str()]).await?;
    let found: HashMap<&str, &Row> = rows.iter().map(|row| (row.get(0), row)).collect();
    let entries =
        request.tenant_ids.iter().map(|tenant| entry(tenant, found.get(tenant.as_str()).copied()));
    let position = incarnation.position(feed::newest(db).await?.change);
    Ok(BatchGetResponse { preferences: entries.collect::<Result<_>>()?, position })
}

fn entry(tenant: &TenantId, row: Option<&Row>) -> Result<PreferenceEntry> {
    let json = row.and_then(|row| row.get::<_, Option<String>>(2)).map(RawValue::from_string);
    Ok(PreferenceEntry {
        tenant_id: tenant.clone(),
        number: row.map(|row| row.get::<_, i64>(3) as u64),
        version: row
            .and_then(|row| row.get::<_, Option<i64>>(1))
            .map_or(0, |version| version as u64),
        preference: json.transpose().map_err(|error| {
            ConfigServiceError::Unreadable(format!("a preference that is no JSON ({error})"))
        })?,
    })
}

/// Tenants with everything, behind the one of this number.
pub(super) async fn documents(
    db: &Transaction<'_>,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredTenant>> {
    let select = format!("{TENANT} WHERE id > $1 AND tenant_id IS NOT NULL ORDER BY id LIMIT $2");
    with_everything(db, &query(db, &select, &[&(after as i64), &(limit as i64)]).await?).await
}

/// The preferences of a feature that are there, behind the tenant of this number.
pub(super) async fn stated(
    db: &Transaction<'_>,
    feature: &FeatureType,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredPreference>> {
    let Some(feature) = find_feature(db, feature).await? else { return Ok(Vec::new()) };
    let select = "SELECT tenant.id, tenant_id, tenant.created_at, timezone, profile_version, \
        profile_change, change.version,
             change.preference
         FROM tenant JOIN preference ON preference.tenant = tenant.id AND preference.feature = $1 \
         JOIN change ON change.id = change_id
         WHERE tenant.id > $2 AND tenant_id IS NOT NULL AND change.preference IS NOT NULL ORDER BY \
         tenant.id LIMIT $3";
    let rows = query(db, select, &[&feature, &(after as i64), &(limit as i64)]).await?;
    let mut profiles = profiles(db, &rows).await?;
    let stated = |row: &Row| {
        let number: i64 = row.get(0);
        Ok(StoredPreference {
            tenant_id: tenant_id(row.get(1))?,
            number: number as u64,
            profile: profiles.remove(&number).unwrap_or_default(),
            version: row.get::<_, i64>(6) as u64,
            json: row.get(7),
        })
    };
    rows.iter().map(stated).collect()
}

/// A stretch of a feature's groups.
pub(super) async fn groups(
    db: &Transaction<'_>,
    asked: &GroupsQuery,
    incarnation: Incarnation,
) -> Result<GroupPage> {
    let newest = feed::newest(db).await?;
    let position = incarnation.position(newest.change);
    let mut page = GroupPage {
        groups: Vec::new(),
        defaults: Vec::new(),
        more_after: None,
        position,
        complete_until: newest.stamp,
    };
    let Some(feature) = find_feature(db, &asked.feature).await? else { return Ok(page) };
    page.defaults = definitions::defaults(db, feature, asked.emptied_after).await?;
    let select =
        "SELECT frequency, time_key, timezone, count, since, empty_since, id FROM stated_group
         WHERE feature = $1 AND id > $2 AND (count > 0 OR empty_since > $3) ORDER BY id LIMIT $4";
    let emptied_after = asked.emptied_after.as_microsecond();
    let mut rows =
        query(db, select, &[&feature, &asked.after, &emptied_after, &(asked.limit as i64 + 1)])
            .await?;
    if rows.len() > asked.limit {
        rows.truncate(asked.limit);
        page.more_after = Some(rows.last().map_or(asked.after, |row| row.get(6)));
    }
    page.groups = rows.iter().map(summary).collect::<Result<_>>()?;
    Ok(page)
}

fn summary(row: &Row) -> Result<GroupSummary> {
    Ok(GroupSummary {
        group: columns::group(row.get(0), row.get(1), row.get(2))?,
        count: row.get::<_, i64>(3) as u64,
        since: instant(row.get(4))?,
        empty_since: row.get::<_, Option<i64>>(5).map(instant).transpose()?,
    })
}
