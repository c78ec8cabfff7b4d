//! What is there now: preferences, tenants, groups.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, FeatureType, GroupSummary, Labels, PreferenceEntry, TenantId,
};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::names::find_feature;
use super::{definitions, feed};
use crate::cursor::Incarnation;
use crate::error::ConfigServiceError;
use crate::store::columns::{feature_type, instant, tenant_id, zone};
use crate::store::edit::{AsStated, Current, Membership, Profile, Tenant};
use crate::store::list::{GroupPage, GroupsQuery, StoredPreference, StoredTenant};
use crate::store::{Result, columns};

/// A tenant's number, if it is there.
pub(super) fn tenant_number(db: &Connection, tenant: &TenantId) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT id FROM tenant WHERE tenant_id = ?1")?;
    Ok(select.query_row([tenant.as_str()], |row| row.get(0)).optional()?)
}

/// A tenant with the preference of `feature`, or all of them.
pub(super) fn tenant(
    db: &Connection,
    tenant: &TenantId,
    feature: Option<&FeatureType>,
) -> Result<Option<Tenant>> {
    let Some(number) = tenant_number(db, tenant)? else { return Ok(None) };
    let mut tenant = profile_of(db, number)?;
    tenant.preferences = match feature {
        Some(feature) => find(db, number, feature)?
            .map(|current| (feature.clone(), current))
            .into_iter()
            .collect(),
        None => all(db, number)?,
    };
    Ok(Some(tenant))
}

/// A tenant that is there, without preferences.
pub(super) fn profile_of(db: &Connection, number: i64) -> Result<Tenant> {
    let mut select = db.prepare_cached(
        "SELECT created_at, timezone, profile_version, profile_change FROM tenant WHERE id = ?1",
    )?;
    let (created_at, timezone, version, change): (i64, Option<String>, i64, Option<i64>) =
        select
            .query_row([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    // Without a change there are no labels to look for.
    let labels = if change.is_some() { labels(db, number)? } else { Labels::default() };
    Ok(Tenant {
        number: Some(number),
        created_at: Some(instant(created_at)?),
        profile: Profile { timezone: timezone.map(|name| zone(&name)).transpose()?, labels },
        profile_version: version as u64,
        profile_change: change,
        preferences: BTreeMap::new(),
    })
}

/// A tenant's labels.
pub(super) fn labels(db: &Connection, tenant: i64) -> Result<Labels> {
    let mut select = db.prepare_cached("SELECT name, value FROM tenant_label WHERE tenant = ?1")?;
    let label = |row: &Row<'_>| Ok((row.get(0)?, Value::String(row.get(1)?)));
    let labels = select.query_map([tenant], label)?.collect::<Result<Map<String, Value>, _>>()?;
    columns::labels(labels)
}

/// The labels of those tenants that have any.
pub(super) fn labels_of(
    db: &Connection,
    tenants: Vec<TenantId>,
) -> Result<HashMap<TenantId, Labels>> {
    let mut labelled = HashMap::new();
    for tenant in tenants {
        let Some(number) = tenant_number(db, &tenant)? else { continue };
        let labels = labels(db, number)?;
        if !labels.is_empty() {
            labelled.insert(tenant, labels);
        }
    }
    Ok(labelled)
}

const CURRENT: &str =
    "SELECT change.version, change.at, change.preference, change.id, stated_since, group_since,
    frequency, time_key, timezone, feature_type FROM preference
    JOIN change ON change.id = change_id JOIN feature ON feature.id = preference.feature
    LEFT JOIN stated_group ON stated_group.id = group_id WHERE preference.tenant = ?1";

fn all(db: &Connection, tenant: i64) -> Result<BTreeMap<FeatureType, Arc<Current>>> {
    let mut select = db.prepare_cached(CURRENT)?;
    let mut rows = select.query([tenant])?;
    let mut all = BTreeMap::new();
    while let Some(row) = rows.next()? {
        all.insert(feature_type(&row.get::<_, String>(9)?)?, current(row)?);
    }
    Ok(all)
}

/// A tenant's preference for one feature; `None` if there never was one.
pub(super) fn find(
    db: &Connection,
    tenant: i64,
    feature: &FeatureType,
) -> Result<Option<Arc<Current>>> {
    let mut select = db.prepare_cached(&format!("{CURRENT} AND feature_type = ?2"))?;
    let mut rows = select.query((tenant, feature.as_str()))?;
    rows.next()?.map(current).transpose()
}

fn current(row: &Row<'_>) -> Result<Arc<Current>> {
    Ok(Arc::new(Current {
        version: row.get::<_, i64>(0)? as u64,
        at: instant(row.get(1)?)?,
        json: row.get(2)?,
        change: row.get(3)?,
        stated_since: instant(row.get(4)?)?,
        member: row.get::<_, Option<i64>>(5)?.map(|since| membership(row, since)).transpose()?,
    }))
}

fn membership(row: &Row<'_>, since: i64) -> Result<Membership> {
    let (frequency, time_key, timezone): (String, String, String) =
        (row.get(6)?, row.get(7)?, row.get(8)?);
    Ok(Membership {
        group: columns::group(&frequency, &time_key, &timezone)?,
        since: instant(since)?,
    })
}

/// One preference; `None` if there never was one.
pub(super) fn preference(
    db: &Connection,
    tenant: &TenantId,
    feature: &FeatureType,
) -> Result<Option<AsStated>> {
    let mut select = db.prepare_cached(
        "SELECT change.version, change.preference FROM preference JOIN change ON change.id = \
         change_id
         WHERE preference.tenant = (SELECT id FROM tenant WHERE tenant_id = ?1)
           AND preference.feature = (SELECT id FROM feature WHERE feature_type = ?2)",
    )?;
    let found = select.query_row((tenant.as_str(), feature.as_str()), |row| {
        Ok(AsStated { version: row.get::<_, i64>(0)? as u64, json: row.get(1)? })
    });
    Ok(found.optional()?)
}

/// Many tenants' preferences for one feature, in the order asked.
pub(super) fn preferences(
    db: &Connection,
    request: BatchGetRequest,
    incarnation: Incarnation,
) -> Result<BatchGetResponse> {
    let feature = &request.feature_type;
    let entries = request.tenant_ids.into_iter().map(|tenant| entry(db, tenant, feature));
    Ok(BatchGetResponse {
        preferences: entries.collect::<Result<_>>()?,
        position: incarnation.position(feed::newest(db)?),
    })
}

fn entry(db: &Connection, tenant_id: TenantId, feature: &FeatureType) -> Result<PreferenceEntry> {
    let number: Option<i64> = db
        .prepare_cached("SELECT id FROM tenant WHERE tenant_id = ?1")?
        .query_row([tenant_id.as_str()], |row| row.get(0))
        .optional()?;
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

/// Tenants with everything, behind the one of this number.
pub(super) fn documents(db: &Connection, after: u64, limit: usize) -> Result<Vec<StoredTenant>> {
    let mut select = db.prepare_cached(
        "SELECT id, tenant_id FROM tenant WHERE id > ?1 AND \
        tenant_id IS NOT NULL ORDER BY id LIMIT ?2",
    )?;
    let mut rows = select.query((after as i64, limit as i64))?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, name): (i64, String) = (row.get(0)?, row.get(1)?);
        let tenant = Tenant { preferences: all(db, number)?, ..profile_of(db, number)? };
        documents.push(StoredTenant { tenant_id: tenant_id(&name)?, tenant });
    }
    Ok(documents)
}

/// The preferences of a feature that are there, behind the tenant of this number.
pub(super) fn stated(
    db: &Connection,
    feature: &FeatureType,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredPreference>> {
    let Some(feature) = find_feature(db, feature)? else { return Ok(Vec::new()) };
    let mut select = db.prepare_cached(
        "SELECT tenant.id, tenant_id, change.version, change.preference FROM tenant
         JOIN preference ON preference.tenant = tenant.id AND preference.feature = ?1 JOIN change \
         ON change.id = change_id
         WHERE tenant.id > ?2 AND tenant_id IS NOT NULL AND change.preference IS NOT NULL ORDER BY \
         tenant.id LIMIT ?3",
    )?;
    let mut rows = select.query((feature, after as i64, limit as i64))?;
    let mut stated = Vec::new();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        stated.push(StoredPreference {
            tenant_id: tenant_id(&row.get::<_, String>(1)?)?,
            number: number as u64,
            profile: profile_of(db, number)?.profile,
            version: row.get::<_, i64>(2)? as u64,
            json: row.get(3)?,
        });
    }
    Ok(stated)
}

/// A stretch of a feature's groups.
pub(super) fn groups(
    db: &Connection,
    query: &GroupsQuery,
    incarnation: Incarnation,
    complete_until: jiff::Timestamp,
) -> Result<GroupPage> {
    let position = incarnation.position(feed::newest(db)?);
    let mut page = GroupPage {
        groups: Vec::new(),
        defaults: Vec::new(),
        more_after: None,
        position,
        complete_until,
    };
    let Some(feature) = find_feature(db, &query.feature)? else { return Ok(page) };
    page.defaults = definitions::defaults(db, feature, query.emptied_after)?;
    let mut select = db.prepare_cached(
        "SELECT frequency, time_key, timezone, count, since, empty_since, id FROM stated_group
         WHERE feature = ?1 AND id > ?2 AND (count > 0 OR empty_since > ?3) ORDER BY id LIMIT ?4",
    )?;
    let mut rows = select.query((
        feature,
        query.after,
        query.emptied_after.as_microsecond(),
        query.limit as i64 + 1,
    ))?;
    let mut last = query.after;
    while let Some(row) = rows.next()? {
        if page.groups.len() == query.limit {
            page.more_after = Some(last);
            break;
        }
        page.groups.push(summary(row)?);
        last = row.get(6)?;
    }
    Ok(page)
}

fn summary(row: &Row<'_>) -> Result<GroupSummary> {
    let (frequency, time_key, timezone): (String, String, String) =
        (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(GroupSummary {
        group: columns::group(&frequency, &time_key, &timezone)?,
        count: row.get::<_, i64>(3)? as u64,
        since: instant(row.get(4)?)?,
        empty_since: row.get::<_, Option<i64>>(5)?.map(instant).transpose()?,
    })
}
