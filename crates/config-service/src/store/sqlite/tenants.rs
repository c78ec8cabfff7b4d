//! Lists of tenants: by id, by label, and those that never stated a preference.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::names::find_feature;
use super::{feed, read};
use crate::cursor::Incarnation;
use crate::store::Result;
use crate::store::columns::{instant, name_or_number, tenant_id};
use crate::store::list::{TenantSummary, TenantsQuery, UnstatedPage, UnstatedQuery};

/// The most tenants that are looked at for one page of those who never stated a preference.
const MOST_LOOKS: i64 = 50_000;

/// Tenants by id and label.
pub(super) fn list(db: &Connection, query: &TenantsQuery) -> Result<Vec<TenantSummary>> {
    let mut asked = Asked::default();
    let from = if let Some(label) = &query.label {
        let (name, value) = (asked.bind(label.name().to_owned()), asked.bind(label.value().to_owned()));
        format!("tenant_label JOIN tenant ON tenant.id = tenant_label.tenant AND tenant_label.name = {name} AND value = {value}")
    } else {
        "tenant".to_owned()
    };
    asked.only("tenant_id IS NOT NULL".into());
    if let Some(prefix) = &query.prefix {
        let (least, most) = (asked.bind(prefix.clone()), asked.bind(format!("{prefix}\u{10FFFF}")));
        asked.only(format!("tenant_id BETWEEN {least} AND {most}"));
    }
    if let Some(as_of) = query.as_of {
        let as_of = asked.bind(as_of.as_microsecond());
        asked.only(format!("tenant.created_at <= {as_of}"));
    }
    let (column, after) = match (&query.prefix, &query.after) {
        (Some(_), after) => ("tenant_id", after.as_ref().map(|after| Value::Text(after.tenant_id.clone()))),
        (None, after) => ("tenant.id", after.as_ref().map(|after| Value::Integer(after.number as i64))),
    };
    if let Some(after) = after {
        let after = asked.bind(after);
        asked.only(format!("{column} > {after}"));
    }
    let limit = asked.bind(query.limit as i64);
    let conditions = asked.conditions.join(" AND ");
    let sql = format!("SELECT tenant.id, tenant_id, tenant.created_at FROM {from} WHERE {conditions} ORDER BY {column} LIMIT {limit}");
    let mut select = db.prepare_cached(&sql)?;
    let mut rows = select.query(params_from_iter(asked.values))?;
    let mut tenants = Vec::new();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        tenants.push(TenantSummary {
            number: number as u64,
            tenant_id: tenant_id(&row.get::<_, String>(1)?)?,
            created_at: instant(row.get(2)?)?,
            profile: read::profile_of(db, number)?.profile,
        });
    }
    Ok(tenants)
}

/// Conditions of a query and the values bound in them.
#[derive(Default)]
struct Asked {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Asked {
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    fn only(&mut self, condition: String) {
        self.conditions.push(condition);
    }
}

/// Tenants that never stated a preference for a feature as of an instant (T13). The instant must have settled.
pub(super) fn unstated(db: &Connection, query: &UnstatedQuery, incarnation: Incarnation) -> Result<UnstatedPage> {
    let feature = find_feature(db, &query.feature)?;
    let mut page = UnstatedPage { tenants: Vec::new(), more_after: None, position: incarnation.position(feed::newest(db)?) };
    let mut select = db.prepare_cached(
        "SELECT tenant.id, tenant_id, tenant.created_at <= ?2 AND coalesce(erased_at > ?2, 1) AND coalesce(stated_since > ?2, 1)
         FROM tenant LEFT JOIN preference ON preference.tenant = tenant.id AND preference.feature = ?1
         WHERE tenant.id > ?3 ORDER BY tenant.id LIMIT ?4",
    )?;
    let mut rows = select.query((feature, micros(query.as_of), query.after as i64, MOST_LOOKS))?;
    let mut looks = 0;
    while let Some(row) = rows.next()? {
        let (number, is_unstated): (i64, bool) = (row.get(0)?, row.get(2)?);
        looks += 1;
        if is_unstated {
            page.tenants.push((number as u64, name_or_number(row.get(1)?, number)));
        }
        if page.tenants.len() == query.limit || looks == MOST_LOOKS {
            page.more_after = Some(number as u64);
            break;
        }
    }
    Ok(page)
}

fn micros(instant: Timestamp) -> i64 {
    instant.as_microsecond()
}
