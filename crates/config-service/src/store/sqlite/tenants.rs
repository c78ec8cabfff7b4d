//! Lists of tenants: by id, by label, and as of an instant whatever they prefer.

use cohort_preferences::{OwnZone, TenantFilter, TenantId, TenantTimezone};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::feed;
use super::names::find_feature;
use super::row::{self, FromRow, columns};
use super::tenant::{LabelReader, TenantColumns};
use crate::cursor::Incarnation;
use crate::error::Result;
use crate::store::columns::{NO_ZONE, instant, name_or_number, zone};
use crate::store::list::{ChosenPage, ChosenQuery, ChosenTenant, TenantSummary, TenantsQuery};

/// The most tenants that are looked at for one page of those as of an instant.
const MOST_LOOKS: u64 = 50_000;

/// Returns tenants by id and label.
pub(super) fn list(db: &Connection, asked: &TenantsQuery) -> Result<Vec<TenantSummary>> {
    let mut conditions = Conditions::default();
    let from = find(asked, &mut conditions);
    let column = order_column(asked);
    if let Some(after) = &asked.after {
        let after = match &asked.prefix {
            Some(_) => conditions.bind(after.tenant_id.clone()),
            None => conditions.bind(after.number as i64),
        };
        conditions.only(format!("{column} > {after}"));
    }
    let limit = conditions.bind(asked.limit as i64);
    let wanted = conditions.texts.join(" AND ");
    let mut labels = LabelReader::prepare(db)?;
    let mut select = db.prepare_cached(&format!(
        "SELECT tenant.id AS id, tenant_id, tenant.created_at AS created_at, timezone, \
             profile_version, profile_change
         FROM {from} WHERE {wanted} ORDER BY {column} LIMIT {limit}"
    ))?;
    let columns = TenantColumns::of(&select)?;
    let mut rows = select.query(params_from_iter(conditions.values))?;
    let mut tenants = Vec::new();
    while let Some(row) = rows.next()? {
        let tenant = labels.tenant(row, &columns)?;
        tenants.push(TenantSummary {
            number: columns.number(row)? as u64,
            tenant_id: columns.name(row)?,
            created_at: columns.created_at(row)?,
            profile: tenant.profile,
        });
    }
    Ok(tenants)
}

/// Binds the conditions of a query, and returns the tables that they name.
fn find(asked: &TenantsQuery, conditions: &mut Conditions) -> String {
    let mut from = "tenant".to_owned();
    if let Some(label) = &asked.label {
        let name = conditions.bind(label.name().to_owned());
        let value = conditions.bind(label.value().to_owned());
        from = format!(
            "tenant_label JOIN tenant ON tenant.id = tenant_label.tenant
                 AND tenant_label.name = {name} AND value = {value}"
        );
    }
    conditions.only("tenant_id IS NOT NULL".into());
    if let Some(prefix) = &asked.prefix {
        let least = conditions.bind(prefix.clone());
        let most = conditions.bind(format!("{prefix}\u{10FFFF}"));
        conditions.only(format!("tenant_id BETWEEN {least} AND {most}"));
    }
    if let Some(as_of) = asked.as_of {
        let as_of = conditions.bind(as_of.as_microsecond());
        conditions.only(format!("tenant.created_at <= {as_of}"));
    }
    from
}

/// Returns the column by which the list is ordered: ids if they are searched, else numbers.
fn order_column(asked: &TenantsQuery) -> &'static str {
    if asked.prefix.is_some() { "tenant_id" } else { "tenant.id" }
}

/// Conditions of a query and the values bound in them.
#[derive(Default)]
struct Conditions {
    texts: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    fn only(&mut self, condition: String) {
        self.texts.push(condition);
    }
}

/// Returns tenants as of an instant, whatever they prefer (T13). The instant must have settled.
pub(super) fn chosen(
    db: &Connection,
    asked: &ChosenQuery,
    incarnation: Incarnation,
) -> Result<ChosenPage> {
    let mut conditions = Conditions::default();
    let from = choose(db, &asked.filter, asked.as_of, &mut conditions)?;
    let last_look = asked.last_look(MOST_LOOKS);
    let (after, last, limit) = (
        conditions.bind(asked.after as i64),
        conditions.bind(last_look as i64),
        conditions.bind(asked.limit as i64),
    );
    conditions.only(format!("tenant.id > {after} AND tenant.id <= {last}"));
    let as_of = conditions.bind(micros(asked.as_of));
    let wanted = conditions.texts.join(" AND ");
    let sql = format!(
        "SELECT tenant.id AS id, tenant_id, tenant.created_at AS created_at, \
             coalesce(erased_at > {as_of}, 0) AS is_erased
         FROM {from} WHERE {wanted} ORDER BY tenant.id LIMIT {limit}"
    );
    let mut select = db.prepare_cached(&sql)?;
    let columns = ChosenColumns::of(&select)?;
    let mut rows = select.query(params_from_iter(conditions.values))?;
    let mut tenants = Vec::new();
    while let Some(row) = rows.next()? {
        tenants.push(columns.tenant(row)?);
    }
    let position = feed::end(db, incarnation)?;
    let mut page = ChosenPage::of(asked, tenants, last_look, newest_number(db)?, position);
    if page.is_counted(asked) {
        page.count_as_of = Some(count_chosen(db, asked)?);
    }
    Ok(page)
}

fn newest_number(db: &Connection) -> Result<u64> {
    let mut select = db.prepare_cached("SELECT coalesce(max(id), 0) AS newest FROM tenant")?;
    Ok(select.query_row([], |row| row.get::<_, i64>("newest"))? as u64)
}

columns! {
    /// Where the columns of a tenant stand in a list as of an instant.
    ChosenColumns { id, tenant_id, created_at, is_erased }
}

impl ChosenColumns {
    fn tenant(&self, row: &Row<'_>) -> Result<ChosenTenant> {
        let number: i64 = row.get(self.id)?;
        Ok(ChosenTenant {
            number: number as u64,
            tenant_id: name_or_number(row.get(self.tenant_id)?, number),
            since: instant(row.get(self.created_at)?)?,
            is_erased: row.get(self.is_erased)?,
        })
    }
}

fn count_chosen(db: &Connection, asked: &ChosenQuery) -> Result<u64> {
    let mut conditions = Conditions::default();
    let from = choose(db, &asked.filter, asked.as_of, &mut conditions)?;
    let is_chosen = conditions.texts.join(" AND ");
    let mut select =
        db.prepare_cached(&format!("SELECT count(*) AS chosen FROM {from} WHERE {is_chosen}"))?;
    let count: i64 =
        select.query_row(params_from_iter(conditions.values), |row| row.get("chosen"))?;
    Ok(count as u64)
}

/// Binds the conditions of a filter as of an instant, and returns the tables that they name.
fn choose(
    db: &Connection,
    filter: &TenantFilter,
    as_of: Timestamp,
    conditions: &mut Conditions,
) -> Result<String> {
    let mut from = "tenant".to_owned();
    let as_of = conditions.bind(micros(as_of));
    conditions.only(format!("tenant.created_at <= {as_of} AND coalesce(erased_at > {as_of}, 1)"));
    if let Some(feature) = &filter.unstated {
        let feature =
            conditions.bind(find_feature(db, feature)?.map_or(Value::Null, Value::Integer));
        from = format!(
            "{from} LEFT JOIN preference ON preference.tenant = tenant.id AND preference.feature = \
             {feature}"
        );
        conditions.only(format!("coalesce(stated_since > {as_of}, 1)"));
    }
    for (name, value) in filter.labels.iter() {
        let (name, value) = (conditions.bind(name.to_owned()), conditions.bind(value.to_owned()));
        conditions.only(format!(
            "EXISTS (SELECT 1 FROM tenant_label WHERE tenant = tenant.id AND name = \
            {name} AND value = {value})"
        ));
    }
    if !filter.timezones.is_empty() {
        let zones = conditions.bind(json_list(filter.timezones.iter().map(OwnZone::text)));
        conditions.only(format!(
            "coalesce(timezone, '{NO_ZONE}') IN (SELECT value FROM json_each({zones}))"
        ));
    }
    if !filter.tenant_ids.is_empty() {
        let names = conditions.bind(json_list(filter.tenant_ids.iter().map(TenantId::as_str)));
        conditions.only(format!("tenant_id IN (SELECT value FROM json_each({names}))"));
    }
    Ok(from)
}

fn json_list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.collect::<serde_json::Value>().to_string()
}

/// Returns the zones that tenants call their own, and since when there has been a tenant of each.
pub(super) fn timezones(db: &Connection) -> Result<Vec<TenantTimezone>> {
    let select = "SELECT timezone, min(created_at) AS since FROM tenant
         WHERE erased_at IS NULL GROUP BY timezone ORDER BY timezone";
    row::query(db, select, [])
}

impl FromRow for TenantTimezone {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let timezone: Option<String> = row.get("timezone")?;
        let timezone = timezone.map(|name| zone(&name)).transpose()?;
        Ok(Self { timezone: OwnZone(timezone), since: instant(row.get("since")?)? })
    }
}

fn micros(instant: Timestamp) -> i64 {
    instant.as_microsecond()
}
