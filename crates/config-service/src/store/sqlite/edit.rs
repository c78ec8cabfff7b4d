//! Edits and imports: what the plan needs is read, and its rows are written.

use rusqlite::Connection;

use super::rows;
use super::tenant::{TenantReader, tenant};
use super::writer::Writer;
use crate::error::Result;
use crate::store::edit::{Edit, Edited, ImportRow};
use crate::store::plan::{Head, Plan, Tenants};

/// Changes one tenant as the edit decides.
pub(super) fn edit(writer: &mut Writer<'_>, edit: Edit) -> Result<Edited> {
    let mut tenants = Tenants::new();
    if let Some(tenant) = tenant(writer.db(), &edit.tenant, edit.feature.as_ref())? {
        tenants.insert(edit.tenant.clone(), tenant);
    }
    carry_out(writer, |plan| plan.edit(&mut tenants, edit))
}

/// Writes many preferences. Returns for each whether it changed anything.
pub(super) fn import(
    writer: &mut Writer<'_>,
    rows: Vec<ImportRow>,
    actor: &str,
) -> Result<Vec<bool>> {
    let mut tenants = read_tenants(writer.db(), &rows)?;
    carry_out(writer, |plan| Ok(plan.import(&mut tenants, rows, actor)))
}

/// Makes a plan and writes its rows.
pub(super) fn carry_out<T>(
    writer: &mut Writer<'_>,
    work: impl FnOnce(&mut Plan<'_>) -> Result<T>,
) -> Result<T> {
    let mut take_stamp = || writer.stamp();
    let mut plan = Plan::new(head(writer.db())?, &mut take_stamp);
    let done = work(&mut plan)?;
    let (rows, _head) = plan.finish();
    rows::write(writer, &rows)?;
    Ok(done)
}

fn head(db: &Connection) -> Result<Head> {
    let mut select = db.prepare_cached(
        "SELECT coalesce((SELECT max(id) FROM change), 0) AS change,
             coalesce((SELECT max(id) FROM tenant), 0) AS tenant",
    )?;
    Ok(select
        .query_row([], |row| Ok(Head { change: row.get("change")?, tenant: row.get("tenant")? }))?)
}

/// Returns those tenants of the rows that exist, each with the preferences that the rows name. They
/// are looked up in the order of names, in which they stand in the index.
fn read_tenants(db: &Connection, rows: &[ImportRow]) -> Result<Tenants> {
    let mut wanted: Vec<_> = rows.iter().map(|row| (&row.tenant, &row.feature)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut reader = TenantReader::prepare(db)?;
    let mut tenants = Tenants::with_capacity(wanted.len());
    for of_tenant in wanted.chunk_by(|one, next| one.0 == next.0) {
        let name = of_tenant[0].0;
        let Some((number, mut tenant)) = reader.find(name)? else { continue };
        for (_, feature) in of_tenant {
            let current = reader.preference(number, feature)?;
            tenant.preferences.extend(current.map(|current| ((*feature).clone(), current)));
        }
        tenants.insert(name.clone(), tenant);
    }
    Ok(tenants)
}
