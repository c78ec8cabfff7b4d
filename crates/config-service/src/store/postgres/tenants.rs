//! Lists of tenants: by id, by label, and those that never stated a preference.

use cohort_database::Transaction;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::names::find_feature;
use super::statement::query;
use super::{feed, read};
use crate::cursor::Incarnation;
use crate::store::Result;
use crate::store::columns::{instant, name_or_number, tenant_id};
use crate::store::list::{TenantSummary, TenantsQuery, UnstatedPage, UnstatedQuery};

/// The most tenants that are looked at for one page of those who never stated a preference.
const MOST_LOOKS: i64 = 50_000;

/// Tenants by id and label.
pub(super) async fn list(db: &Transaction<'_>, asked: &TenantsQuery) -> Result<Vec<TenantSummary>> {
    let mut conditions = Conditions::default();
    let from = if let Some(label) = &asked.label {
        let (name, value) = (conditions.bind(label.name().to_owned()), conditions.bind(label.value().to_owned()));
        format!("tenant_label JOIN tenant ON tenant.id = tenant_label.tenant AND tenant_label.name = {name} AND value = {value}")
    } else {
        "tenant".to_owned()
    };
    conditions.only("tenant_id IS NOT NULL".into());
    if let Some(prefix) = &asked.prefix {
        let (least, most) = (conditions.bind(prefix.clone()), conditions.bind(format!("{prefix}\u{10FFFF}")));
        conditions.only(format!("tenant_id BETWEEN {least} AND {most}"));
    }
    if let Some(as_of) = asked.as_of {
        let as_of = conditions.bind(as_of.as_microsecond());
        conditions.only(format!("tenant.created_at <= {as_of}"));
    }
    let column = if asked.prefix.is_some() { "tenant_id" } else { "tenant.id" };
    if let Some(after) = &asked.after {
        let is_by_id = asked.prefix.is_some();
        let after = if is_by_id { conditions.bind(after.tenant_id.clone()) } else { conditions.bind(after.number as i64) };
        conditions.only(format!("{column} > {after}"));
    }
    let limit = conditions.bind(asked.limit as i64);
    let wanted = conditions.texts.join(" AND ");
    let select = format!(
        "SELECT tenant.id, tenant_id, tenant.created_at, timezone, profile_version, profile_change
         FROM {from} WHERE {wanted} ORDER BY {column} LIMIT {limit}"
    );
    let rows = query(db, &select, &conditions.bound()).await?;
    let mut profiles = read::profiles(db, &rows).await?;
    let summary = |row: &Row| {
        let number: i64 = row.get(0);
        Ok(TenantSummary {
            number: number as u64,
            tenant_id: tenant_id(row.get(1))?,
            created_at: instant(row.get(2))?,
            profile: profiles.remove(&number).unwrap_or_default(),
        })
    };
    rows.iter().map(summary).collect()
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

/// Tenants that never stated a preference for a feature as of an instant (T13). The instant must have settled. Numbers have
/// no gaps, so that a stretch of them bounds the looks.
pub(super) async fn unstated(db: &Transaction<'_>, asked: &UnstatedQuery, incarnation: Incarnation) -> Result<UnstatedPage> {
    let newest = feed::newest(db).await?;
    let feature = find_feature(db, &asked.feature).await?;
    let after = asked.after as i64;
    let last_look = after.saturating_add(MOST_LOOKS);
    let select = "SELECT tenant.id, tenant_id FROM tenant
         LEFT JOIN preference ON preference.tenant = tenant.id AND preference.feature = $1
         WHERE tenant.id > $3 AND tenant.id <= $4
           AND tenant.created_at <= $2 AND coalesce(erased_at > $2, true) AND coalesce(stated_since > $2, true)
         ORDER BY tenant.id LIMIT $5";
    let rows = query(db, select, &[&feature, &asked.as_of.as_microsecond(), &after, &last_look, &(asked.limit as i64)]).await?;
    let unstated = |row: &Row| {
        let number: i64 = row.get(0);
        (number as u64, name_or_number(row.get(1), number))
    };
    let tenants: Vec<_> = rows.iter().map(unstated).collect();
    let more_after = match tenants.last() {
        Some((last, _)) if tenants.len() == asked.limit => Some(*last),
        _ => (newest.tenant > last_look).then_some(last_look as u64),
    };
    Ok(UnstatedPage { tenants, more_after, position: incarnation.position(newest.change) })
}
