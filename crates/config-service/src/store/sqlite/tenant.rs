//! Tenants with everything that they prefer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cohort_preferences::{FeatureType, Labels, StatedGroup, TenantId};
use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, Row};
use serde_json::{Map, Value};

use super::names::find_tenant;
use super::row::{FromRow, columns};
use crate::error::Result;
use crate::store::columns::{self, feature_type, instant, tenant_id, zone};
use crate::store::edit::{Current, Membership, Profile, Tenant};
use crate::store::list::StoredTenant;

/// The columns of a tenant.
pub(super) const TENANT: &str =
    "SELECT id, tenant_id, created_at, timezone, profile_version, profile_change FROM tenant";

columns! {
    /// Where the columns of a tenant stand, in [`TENANT`] or beside others.
    pub(super) TenantColumns {
        id, tenant_id, created_at, timezone, profile_version, profile_change,
    }
}

impl TenantColumns {
    /// Returns the tenant's number.
    pub(super) fn number(&self, row: &Row<'_>) -> Result<i64> {
        Ok(row.get(self.id)?)
    }

    /// Returns when the tenant first wrote.
    pub(super) fn created_at(&self, row: &Row<'_>) -> Result<Timestamp> {
        instant(row.get(self.created_at)?)
    }

    /// Returns the tenant's id, which must not have been erased.
    pub(super) fn name(&self, row: &Row<'_>) -> Result<TenantId> {
        tenant_id(row.get_ref(self.tenant_id)?.as_str().map_err(rusqlite::Error::from)?)
    }
}

columns! {
    /// Where the columns of a label stand.
    LabelColumns { name, value }
}

/// Reads the labels of tenants; the statement is prepared once for all of them.
pub(super) struct LabelReader<'db> {
    select: CachedStatement<'db>,
    columns: LabelColumns,
}

impl<'db> LabelReader<'db> {
    /// Prepares the statement.
    pub(super) fn prepare(db: &'db Connection) -> Result<Self> {
        let select = db.prepare_cached("SELECT name, value FROM tenant_label WHERE tenant = ?1")?;
        Ok(Self { columns: LabelColumns::of(&select)?, select })
    }

    /// Returns the labels of the tenant of this number.
    fn of(&mut self, tenant: i64) -> Result<Labels> {
        let LabelColumns { name, value } = self.columns;
        let label = |row: &Row<'_>| Ok((row.get(name)?, Value::String(row.get(value)?)));
        let labels = self.select.query_map([tenant], label)?;
        columns::labels(labels.collect::<Result<Map<String, Value>, _>>()?)
    }

    /// Returns the tenant of a row, without preferences.
    pub(super) fn tenant(&mut self, row: &Row<'_>, columns: &TenantColumns) -> Result<Tenant> {
        let number = row.get(columns.id)?;
        let timezone: Option<String> = row.get(columns.timezone)?;
        let profile_change: Option<i64> = row.get(columns.profile_change)?;
        // Without a change there are no labels to look for.
        let labels = if profile_change.is_some() { self.of(number)? } else { Labels::default() };
        Ok(Tenant {
            number: Some(number),
            created_at: Some(columns.created_at(row)?),
            profile: Profile { timezone: timezone.map(|name| zone(&name)).transpose()?, labels },
            profile_version: row.get::<_, i64>(columns.profile_version)? as u64,
            profile_change,
            preferences: BTreeMap::new(),
        })
    }
}

const CURRENT: &str = "SELECT change.version AS version, change.at AS at, \
    change.preference AS preference, change.id AS change_id, stated_since, group_since, \
    frequency, time_key, timezone, feature_type
    FROM preference
    JOIN change ON change.id = change_id
    JOIN feature ON feature.id = preference.feature
    LEFT JOIN stated_group ON stated_group.id = group_id
    WHERE preference.tenant = ?1";

columns! {
    /// Where the columns of [`CURRENT`] stand.
    CurrentColumns {
        version, at, preference, change_id, stated_since, group_since, frequency, time_key,
        timezone, feature_type,
    }
}

impl CurrentColumns {
    fn feature(&self, row: &Row<'_>) -> Result<FeatureType> {
        feature_type(row.get_ref(self.feature_type)?.as_str().map_err(rusqlite::Error::from)?)
    }

    fn read(&self, row: &Row<'_>) -> Result<Arc<Current>> {
        let since: Option<i64> = row.get(self.group_since)?;
        Ok(Arc::new(Current {
            version: row.get::<_, i64>(self.version)? as u64,
            at: instant(row.get(self.at)?)?,
            json: row.get(self.preference)?,
            change: row.get(self.change_id)?,
            stated_since: instant(row.get(self.stated_since)?)?,
            member: since.map(|since| self.membership(row, since)).transpose()?,
        }))
    }

    fn membership(&self, row: &Row<'_>, since: i64) -> Result<Membership> {
        let (frequency, time_key, timezone): (String, String, String) =
            (row.get(self.frequency)?, row.get(self.time_key)?, row.get(self.timezone)?);
        let group = columns::group(&frequency, &time_key, &timezone)?;
        Ok(Membership { group, since: instant(since)? })
    }
}

impl FromRow for StatedGroup {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let (frequency, time_key, timezone): (String, String, String) =
            (row.get("frequency")?, row.get("time_key")?, row.get("timezone")?);
        columns::group(&frequency, &time_key, &timezone)
    }
}

/// Reads tenants, one after the other: an import asks for thousands, so that each statement is
/// prepared once and its columns are looked up once.
pub(super) struct TenantReader<'db> {
    tenant: CachedStatement<'db>,
    tenant_columns: TenantColumns,
    labels: LabelReader<'db>,
    all: CachedStatement<'db>,
    one: CachedStatement<'db>,
    current: CurrentColumns,
}

impl<'db> TenantReader<'db> {
    /// Prepares the statements.
    pub(super) fn prepare(db: &'db Connection) -> Result<Self> {
        let tenant = db.prepare_cached(&format!("{TENANT} WHERE tenant_id = ?1"))?;
        let all = db.prepare_cached(CURRENT)?;
        Ok(Self {
            tenant_columns: TenantColumns::of(&tenant)?,
            current: CurrentColumns::of(&all)?,
            tenant,
            labels: LabelReader::prepare(db)?,
            all,
            one: db.prepare_cached(&format!("{CURRENT} AND feature_type = ?2"))?,
        })
    }

    /// Returns a tenant with its number and without preferences; `None` if it is not there.
    pub(super) fn find(&mut self, name: &TenantId) -> Result<Option<(i64, Tenant)>> {
        let mut rows = self.tenant.query([name.as_str()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let tenant = self.labels.tenant(row, &self.tenant_columns)?;
        Ok(Some((self.tenant_columns.number(row)?, tenant)))
    }

    /// Returns all preferences of the tenant of this number, deleted ones too.
    pub(super) fn preferences(
        &mut self,
        tenant: i64,
    ) -> Result<BTreeMap<FeatureType, Arc<Current>>> {
        let mut rows = self.all.query([tenant])?;
        let mut preferences = BTreeMap::new();
        while let Some(row) = rows.next()? {
            preferences.insert(self.current.feature(row)?, self.current.read(row)?);
        }
        Ok(preferences)
    }

    /// Returns one preference of the tenant of this number; `None` if there never was one.
    pub(super) fn preference(
        &mut self,
        tenant: i64,
        feature: &FeatureType,
    ) -> Result<Option<Arc<Current>>> {
        let mut rows = self.one.query((tenant, feature.as_str()))?;
        rows.next()?.map(|row| self.current.read(row)).transpose()
    }
}

/// Returns a tenant with the preference of `feature`, or with all of them.
pub(super) fn tenant(
    db: &Connection,
    name: &TenantId,
    feature: Option<&FeatureType>,
) -> Result<Option<Tenant>> {
    let mut reader = TenantReader::prepare(db)?;
    let Some((number, mut tenant)) = reader.find(name)? else { return Ok(None) };
    match feature {
        Some(feature) => {
            let current = reader.preference(number, feature)?;
            tenant.preferences.extend(current.map(|current| (feature.clone(), current)));
        }
        None => tenant.preferences = reader.preferences(number)?,
    }
    Ok(Some(tenant))
}

/// Returns the labels of those tenants that have any.
pub(super) fn labels(db: &Connection, tenants: Vec<TenantId>) -> Result<HashMap<TenantId, Labels>> {
    let mut reader = LabelReader::prepare(db)?;
    let mut labelled = HashMap::new();
    for tenant in tenants {
        let Some(number) = find_tenant(db, &tenant)? else { continue };
        let labels = reader.of(number)?;
        if !labels.is_empty() {
            labelled.insert(tenant, labels);
        }
    }
    Ok(labelled)
}

/// Returns tenants with everything, behind the one of this number.
pub(super) fn documents(db: &Connection, after: u64, limit: usize) -> Result<Vec<StoredTenant>> {
    let mut reader = TenantReader::prepare(db)?;
    let mut select = db.prepare_cached(&format!(
        "{TENANT} WHERE id > ?1 AND tenant_id IS NOT NULL ORDER BY id LIMIT ?2"
    ))?;
    let columns = TenantColumns::of(&select)?;
    let mut rows = select.query((after as i64, limit as i64))?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        let preferences = reader.preferences(columns.number(row)?)?;
        let tenant = Tenant { preferences, ..reader.labels.tenant(row, &columns)? };
        documents.push(StoredTenant { tenant_id: columns.name(row)?, tenant });
    }
    Ok(documents)
}
