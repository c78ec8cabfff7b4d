//! Lists of tenants: by id, by label, and as of an instant whatever they prefer.

use cohort_database::Transaction;
use cohort_preferences::{OwnZone, TenantFilter, TenantTimezone};
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::feed;
use super::names::find_feature;
use super::row::{self, FromRow};
use super::tenant::profiles;
use crate::cursor::Incarnation;
use crate::error::Result;
use crate::store::columns::{NO_ZONE, instant, name_or_number, tenant_id, zone};
use crate::store::list::{ChosenPage, ChosenQuery, ChosenTenant, TenantSummary, TenantsQuery};
use cohort_database::statement::{query, query_one};

/// The most tenants that are looked at for one page of those as of an instant.
const MOST_LOOKS: u64 = 50_000;

/// Returns tenants by id and label.
pub(super) async fn list(db: &Transaction<'_>, asked: &TenantsQuery) -> Result<Vec<TenantSummary>> {
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
    let select = format!(
        "SELECT tenant.id AS id, tenant_id, tenant.created_at AS created_at, timezone, \
             profile_change
         FROM {from} WHERE {wanted} ORDER BY {column} LIMIT {limit}"
    );
    let rows = query(db, &select, &conditions.bound()).await?;
    let mut profiles = profiles(db, &rows).await?;
    let summary = |row: &Row| {
        let number: i64 = row.get("id");
        Ok(TenantSummary {
            number: number as u64,
            tenant_id: tenant_id(row.get("tenant_id"))?,
            created_at: instant(row.get("created_at"))?,
            profile: profiles.remove(&number).unwrap_or_default(),
        })
    };
    rows.iter().map(summary).collect()
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
    values: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Conditions {
    fn bind(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    fn only(&mut self, condition: String) {
        self.texts.push(condition);
    }

    fn bound(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }
}

/// Returns tenants as of an instant, whatever they prefer (T13). The instant must have settled.
pub(super) async fn chosen(
    db: &Transaction<'_>,
    asked: &ChosenQuery,
    incarnation: Incarnation,
) -> Result<ChosenPage> {
    let newest = feed::newest(db).await?;
    let mut conditions = Conditions::default();
    let from = choose(db, &asked.filter, asked.as_of, &mut conditions).await?;
    let last_look = asked.last_look(MOST_LOOKS);
    let (after, last) = (conditions.bind(asked.after as i64), conditions.bind(last_look as i64));
    conditions.only(format!("tenant.id > {after} AND tenant.id <= {last}"));
    let (as_of, limit) =
        (conditions.bind(asked.as_of.as_microsecond()), conditions.bind(asked.limit as i64));
    let wanted = conditions.texts.join(" AND ");
    let select = format!(
        "SELECT tenant.id AS id, tenant_id, tenant.created_at AS created_at, \
             coalesce(erased_at > {as_of}, false) AS is_erased
         FROM {from} WHERE {wanted} ORDER BY tenant.id LIMIT {limit}"
    );
    let tenants = row::query(db, &select, &conditions.bound()).await?;
    let mut page = ChosenPage::of(
        asked,
        tenants,
        last_look,
        newest.tenant as u64,
        feed::end(db, &newest, incarnation).await?,
    );
    if page.is_counted(asked) {
        page.count_as_of = Some(count_chosen(db, asked).await?);
    }
    Ok(page)
}

impl FromRow for ChosenTenant {
    fn from_row(row: &Row) -> Result<Self> {
        let number: i64 = row.get("id");
        Ok(Self {
            number: number as u64,
            tenant_id: name_or_number(row.get("tenant_id"), number),
            since: instant(row.get("created_at"))?,
            is_erased: row.get("is_erased"),
        })
    }
}

async fn count_chosen(db: &Transaction<'_>, asked: &ChosenQuery) -> Result<u64> {
    let mut conditions = Conditions::default();
    let from = choose(db, &asked.filter, asked.as_of, &mut conditions).await?;
    let is_chosen = conditions.texts.join(" AND ");
    let select = format!("SELECT count(*) AS chosen FROM {from} WHERE {is_chosen}");
    let count: i64 = query_one(db, &select, &conditions.bound()).await?.get("chosen");
    Ok(count as u64)
}

/// Binds the conditions of a filter as of an instant, and returns the tables that they name.
async fn choose(
    db: &Transaction<'_>,
    filter: &TenantFilter,
    as_of: Timestamp,
    conditions: &mut Conditions,
) -> Result<String> {
    let mut from = "tenant".to_owned();
    let as_of = conditions.bind(as_of.as_microsecond());
    conditions
        .only(format!("tenant.created_at <= {as_of} AND coalesce(erased_at > {as_of}, true)"));
    if let Some(feature) = &filter.unstated {
        let feature = conditions.bind(find_feature(db, feature).await?);
        from = format!(
            "{from} LEFT JOIN preference ON preference.tenant = tenant.id AND preference.feature = \
             {feature}"
        );
        conditions.only(format!("coalesce(stated_since > {as_of}, true)"));
    }
    for (name, value) in filter.labels.iter() {
        let (name, value) = (conditions.bind(name.to_owned()), conditions.bind(value.to_owned()));
        conditions.only(format!(
            "EXISTS (SELECT 1 FROM tenant_label WHERE tenant = tenant.id AND \
            name = {name} AND value = {value})"
        ));
    }
    if !filter.timezones.is_empty() {
        let zones: Vec<String> =
            filter.timezones.iter().map(|zone| zone.text().to_owned()).collect();
        let zones = conditions.bind(zones);
        conditions.only(format!("coalesce(timezone, '{NO_ZONE}') = ANY({zones})"));
    }
    if !filter.tenant_ids.is_empty() {
        let names: Vec<String> =
            filter.tenant_ids.iter().map(|tenant| tenant.as_str().to_owned()).collect();
        let names = conditions.bind(names);
        conditions.only(format!("tenant_id = ANY({names})"));
    }
    Ok(from)
}

/// Returns the zones that tenants call their own, and since when there has been a tenant of each.
pub(super) async fn timezones(db: &Transaction<'_>) -> Result<Vec<TenantTimezone>> {
    let select = "SELECT timezone, min(created_at) AS since FROM tenant
         WHERE erased_at IS NULL GROUP BY timezone ORDER BY timezone";
    row::query(db, select, &[]).await
}

impl FromRow for TenantTimezone {
    fn from_row(row: &Row) -> Result<Self> {
        let timezone = row.get::<_, Option<&str>>("timezone").map(zone).transpose()?;
        Ok(Self { timezone: OwnZone(timezone), since: instant(row.get("since"))? })
    }
}
