//! Takes a tenant out of everything (W8).

use cohort_preferences::TenantId;
use rusqlite::{Connection, OptionalExtension};

use super::edit::carry_out;
use super::tenant::tenant;
use super::writer::Writer;
use crate::error::Result;
use crate::store::edit::{Erased, Tenant};

/// Deletes everything of a tenant and takes its name and content away (W8); counts and numbers
/// stay. Returns `None` if there is no such tenant.
pub(super) fn erase(
    writer: &mut Writer<'_>,
    name: &TenantId,
    actor: &str,
) -> Result<Option<Erased>> {
    let Some(mut tenant) = tenant(writer.db(), name, None)? else { return Ok(None) };
    let Some(number) = tenant.number else { return Ok(None) };
    let preferences = tenant.live().count() as u64;
    let at = carry_out(writer, |plan| {
        plan.erase(&mut tenant, actor);
        Ok(plan.stamp())
    })?;
    let changes = empty_history(writer.db(), &tenant)?;
    let mut forget = writer.db().prepare_cached(
        "UPDATE tenant SET tenant_id = NULL, timezone = NULL, erased_at = ?2 WHERE id = ?1",
    )?;
    forget.execute((number, at.as_microsecond()))?;
    Ok(Some(Erased { number, at, preferences, changes }))
}

/// Takes the content out of every change row of a tenant, and returns of how many.
fn empty_history(db: &Connection, tenant: &Tenant) -> Result<u64> {
    let mut empty =
        db.prepare_cached("UPDATE change SET preference = NULL WHERE id = ?1 RETURNING previous")?;
    let newest =
        tenant.preferences.values().map(|current| current.change).chain(tenant.profile_change);
    let mut emptied = 0;
    for newest in newest {
        let mut next = Some(newest);
        while let Some(change) = next {
            next = empty.query_row([change], |row| row.get("previous")).optional()?.flatten();
            emptied += 1;
        }
    }
    Ok(emptied)
}
