//! The names of users, on SQLite.

use std::collections::HashMap;

use cohort_preferences::TenantId;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, params};

use crate::LedgerError;
use crate::erasure::ERASED;
use crate::retention::SEEN_AGAIN_AFTER;
use crate::rows::micros;

pub(super) fn tenant_names(
    tx: &Connection,
    numbers: &[u64],
) -> Result<HashMap<u64, TenantId>, LedgerError> {
    numbers.iter().map(|number| Ok((*number, tenant_name(tx, *number)?))).collect()
}

fn tenant_name(tx: &Connection, number: u64) -> Result<TenantId, LedgerError> {
    let name: String = tx
        .prepare_cached("SELECT tenant_id FROM tenant WHERE number = ?1")?
        .query_row([number as i64], |row| row.get("tenant_id"))?;
    name.parse().map_err(|error| LedgerError::Corrupt(format!("the tenant {number}: {error}")))
}

/// Notes the names of users, and that they were members of a run. A user whose name stands with
/// another number came back under the same name after an erasure of which this ledger has not heard
/// yet.
pub(super) fn note_names(
    tx: &Connection,
    members: &[(u64, TenantId)],
    now: Timestamp,
) -> Result<(), LedgerError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO tenant (number, tenant_id, seen_at)
         VALUES (?1, ?2, ?3)
         ON CONFLICT (number) DO UPDATE
         SET seen_at = excluded.seen_at
         WHERE seen_at < excluded.seen_at - ?4",
    )?;
    let (now, seen_again_after) = (micros(now), SEEN_AGAIN_AFTER.as_micros() as i64);
    let mut note = |number: u64, name: &TenantId| {
        insert.execute(params![number as i64, name.as_str(), now, seen_again_after])
    };
    for (number, name) in members {
        match note(*number, name) {
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.code == ErrorCode::ConstraintViolation =>
            {
                forget_name(tx, name)?;
                note(*number, name)?;
            }
            noted => drop(noted?),
        }
    }
    Ok(())
}

/// Takes a name from the user who has it.
fn forget_name(tx: &Connection, name: &TenantId) -> Result<(), LedgerError> {
    let forget = format!("UPDATE tenant SET tenant_id = '{ERASED}' || number WHERE tenant_id = ?1");
    tx.prepare_cached(&forget)?.execute([name.as_str()])?;
    Ok(())
}
