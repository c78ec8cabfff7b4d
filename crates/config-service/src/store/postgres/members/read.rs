//! Reads names and preferences of the members that were found.

use std::collections::HashMap;

use cohort_database::Transaction;
use cohort_database::statement::{Bound, query};
use tokio_postgres::Row;

use super::find::Found;
use crate::error::Result;
use crate::store::columns::{instant, name_or_number};
use crate::store::list::StoredMember;

/// Returns the members that were found, with their names and preferences.
pub(super) async fn read_members(
    db: &Transaction<'_>,
    feature: i64,
    found: &[Found],
) -> Result<Vec<StoredMember>> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let tenants: Vec<i64> = found.iter().map(|found| found.tenant).collect();
    let gone: Vec<i64> =
        found.iter().filter(|found| found.change.is_none()).map(|found| found.tenant).collect();
    let bound: Bound<'_> = &[&tenants];
    let select = "SELECT id, tenant_id FROM tenant WHERE id = ANY($1)";
    let names = async { Ok(query(db, select, bound).await?) };
    let changes = changes_of(db, feature, gone);
    let (names, changes) = tokio::try_join!(names, changes)?;
    let mut names: HashMap<i64, Option<String>> =
        names.iter().map(|row| (row.get("id"), row.get("tenant_id"))).collect();
    let change = |found: &Found| found.change.or_else(|| changes.get(&found.tenant).copied());
    let wanted: Vec<i64> = found.iter().filter_map(change).collect();
    let select = "SELECT id, version, preference FROM change WHERE id = ANY($1)";
    let rows = query(db, select, &[&wanted]).await?;
    let states: HashMap<i64, &Row> = rows.iter().map(|row| (row.get("id"), row)).collect();
    let member = |found: &Found| {
        let state = change(found).and_then(|change| states.get(&change).copied());
        Ok(StoredMember {
            tenant_id: name_or_number(names.remove(&found.tenant).flatten(), found.tenant),
            number: found.tenant as u64,
            version: state.map_or(0, |row| row.get::<_, i64>("version") as u64),
            since: instant(found.since)?,
            json: state.and_then(|row| row.get("preference")),
        })
    };
    found.iter().map(member).collect()
}

/// Returns the newest change of each tenant's preference.
async fn changes_of(
    db: &Transaction<'_>,
    feature: i64,
    tenants: Vec<i64>,
) -> Result<HashMap<i64, i64>> {
    if tenants.is_empty() {
        return Ok(HashMap::new());
    }
    let select = "SELECT tenant, change_id FROM preference WHERE tenant = ANY($1) AND feature = $2";
    let rows = query(db, select, &[&tenants, &feature]).await?;
    Ok(rows.iter().map(|row| (row.get("tenant"), row.get("change_id"))).collect())
}
