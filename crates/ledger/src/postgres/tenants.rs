//! The names of users, on PostgreSQL.

use std::collections::HashMap;

use cohort_database::{GenericClient, Transaction};
use cohort_preferences::TenantId;
use jiff::Timestamp;

use super::named::{execute, named, query};
use super::row::{number, parsed};
use crate::LedgerError;
use crate::erasure::ERASED;
use crate::retention::SEEN_AGAIN_AFTER;
use crate::rows::micros;

pub(super) async fn tenant_names(
    db: &impl GenericClient,
    numbers: &[u64],
) -> Result<HashMap<u64, TenantId>, LedgerError> {
    let asked: Vec<i64> = numbers.iter().map(|number| *number as i64).collect();
    let sql = "SELECT number, tenant_id FROM tenant WHERE number = ANY(:numbers)";
    let names: HashMap<u64, TenantId> = query(db, sql, named! { numbers: asked })
        .await?
        .iter()
        .map(|row| Ok((number(row, "number"), parsed(row, "tenant_id")?)))
        .collect::<Result<_, LedgerError>>()?;
    match numbers.iter().find(|number| !names.contains_key(number)) {
        Some(unknown) => Err(LedgerError::Corrupt(format!("the tenant {unknown} has no name"))),
        None => Ok(names),
    }
}

/// Notes the names of users, and that they were members of a run. A user whose name stands with
/// another number came back under the same name after an erasure of which this ledger has not heard
/// yet. Mostly all users are known, and nothing is written.
pub(super) async fn note_names(
    tx: &Transaction<'_>,
    members: &[(u64, &TenantId)],
    now: Timestamp,
) -> Result<(), LedgerError> {
    let to_note = query(
        tx,
        "SELECT member.number, member.name, tenant.number IS NULL AS is_new
         FROM unnest(:numbers::bigint[], :names::text[]) AS member (number, name)
         LEFT JOIN tenant ON tenant.number = member.number
         WHERE tenant.number IS NULL OR tenant.seen_at < :seen_lately
         ORDER BY member.number",
        named! {
            numbers: members.iter().map(|(number, _)| *number as i64).collect::<Vec<_>>(),
            names: members.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(),
            seen_lately: micros(now) - SEEN_AGAIN_AFTER.as_micros() as i64,
        },
    )
    .await?;
    if to_note.is_empty() {
        return Ok(());
    }
    let name = |row| tokio_postgres::Row::get::<_, &str>(row, "name");
    let new: Vec<&str> = to_note.iter().filter(|row| row.get("is_new")).map(name).collect();
    forget_names(tx, &new).await?;
    execute(
        tx,
        "INSERT INTO tenant (number, tenant_id, seen_at)
         SELECT number, name, :now
         FROM unnest(:numbers::bigint[], :names::text[]) AS member (number, name)
         ON CONFLICT (number) DO UPDATE
         SET seen_at = greatest(tenant.seen_at, excluded.seen_at)",
        named! {
            numbers: to_note.iter().map(|row| row.get("number")).collect::<Vec<i64>>(),
            names: to_note.iter().map(name).collect::<Vec<_>>(),
            now: micros(now),
        },
    )
    .await?;
    Ok(())
}

/// Takes these names from the users who have them.
async fn forget_names(tx: &Transaction<'_>, names: &[&str]) -> Result<(), LedgerError> {
    if !names.is_empty() {
        let forget = format!(
            "UPDATE tenant SET tenant_id = '{ERASED}' || number WHERE tenant_id = ANY(:names)"
        );
        execute(tx, &forget, named! { names: names }).await?;
    }
    Ok(())
}
