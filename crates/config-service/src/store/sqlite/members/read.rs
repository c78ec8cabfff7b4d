//! Reads names and preferences of the members that were found.

use rusqlite::Connection;

use super::find::Found;
use crate::error::Result;
use crate::store::columns::{instant, name_or_number};
use crate::store::list::StoredMember;
use crate::store::sqlite::row::columns;

columns! {
    /// Where the columns of the preference in force now stand.
    StateColumns { version, preference }
}

/// Returns the members that were found, with their names and preferences.
pub(super) fn read_members(
    db: &Connection,
    feature: i64,
    found: &[Found],
) -> Result<Vec<StoredMember>> {
    let mut change_of =
        db.prepare_cached("SELECT change_id FROM preference WHERE tenant = ?1 AND feature = ?2")?;
    let mut name_of = db.prepare_cached("SELECT tenant_id FROM tenant WHERE id = ?1")?;
    let mut state_of = db.prepare_cached("SELECT version, preference FROM change WHERE id = ?1")?;
    let columns = StateColumns::of(&state_of)?;
    let mut members = Vec::with_capacity(found.len());
    for Found { tenant, since, change } in found {
        let change = change.map_or_else(
            || change_of.query_row((tenant, feature), |row| row.get("change_id")),
            Ok,
        )?;
        let (version, json): (i64, Option<String>) = state_of.query_row([change], |row| {
            Ok((row.get(columns.version)?, row.get(columns.preference)?))
        })?;
        let name = name_of.query_row([tenant], |row| row.get("tenant_id"))?;
        members.push(StoredMember {
            tenant_id: name_or_number(name, *tenant),
            number: *tenant as u64,
            version: version as u64,
            since: instant(*since)?,
            json,
        });
    }
    Ok(members)
}
