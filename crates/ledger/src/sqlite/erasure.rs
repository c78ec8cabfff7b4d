//! Erasure of users on SQLite (W8).

use async_trait::async_trait;
use cohort_preferences::TenantId;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::{LedgerError, SqliteLedger, micros, parsed, to_json};
use crate::erasure::{ERASED, ErasureLedger};
use crate::retention::SEEN_AGAIN_AFTER;

#[async_trait]
impl ErasureLedger for SqliteLedger {
    async fn erased_until(&self) -> Result<Option<String>, LedgerError> {
        self.db
            .read(|tx| {
                Ok(tx
                    .prepare_cached("SELECT cursor FROM erased_until")?
                    .query_row([], |row| row.get(0))
                    .optional()?)
            })
            .await
    }

    async fn erase(&self, numbers: Vec<u64>, until: String) -> Result<(), LedgerError> {
        self.db.write(move |tx| erase(tx, &numbers, &until)).await
    }

    async fn named_tenants(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TenantId)>, LedgerError> {
        self.db.read(move |tx| named_tenants(tx, after, limit)).await
    }
}

fn erase(tx: &Connection, numbers: &[u64], until: &str) -> Result<(), LedgerError> {
    if !numbers.is_empty() {
        let numbers = to_json(&numbers);
        tx.prepare_cached(&format!(
            "UPDATE tenant SET tenant_id = '{ERASED}' || number WHERE number IN (SELECT value FROM \
             json_each(?1))"
        ))?
        .execute([&numbers])?;
        // Erasures are rare, and an index by user would cost every outcome.
        for outcomes in ["outcome", "requeued_outcome"] {
            tx.prepare_cached(&format!(
                "UPDATE {outcomes} SET detail = NULL, result = NULL
                 WHERE tenant IN (SELECT value FROM json_each(?1)) AND (detail IS NOT NULL OR \
                 result IS NOT NULL)"
            ))?
            .execute([&numbers])?;
        }
        tx.prepare_cached(
            "UPDATE attempt SET error = NULL WHERE tenant IN (SELECT value FROM \
            json_each(?1)) AND error IS NOT NULL",
        )?
        .execute([&numbers])?;
    }
    tx.prepare_cached("DELETE FROM erased_until")?.execute([])?;
    tx.prepare_cached("INSERT INTO erased_until (cursor) VALUES (?1)")?.execute([until])?;
    Ok(())
}

fn named_tenants(
    tx: &Connection,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, TenantId)>, LedgerError> {
    let mut select = tx.prepare_cached(&format!(
        "SELECT number, tenant_id FROM tenant WHERE number > ?1 AND tenant_id <> '{ERASED}' || \
         number ORDER BY number LIMIT ?2"
    ))?;
    let rows = select.query_map(params![after as i64, limit as i64], |row| {
        Ok((row.get::<_, i64>(0)? as u64, parsed(row, 1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes the names of users, and that they were members of a run. One whose name stands with
/// another number has been erased, and somebody has come back under the same name, before we heard
/// of it.
pub(super) fn note_names(
    tx: &Connection,
    members: &[(u64, TenantId)],
    now: Timestamp,
) -> Result<(), LedgerError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO tenant (number, tenant_id, seen_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (number) DO UPDATE SET seen_at = excluded.seen_at WHERE seen_at < \
         excluded.seen_at - ?4",
    )?;
    let mut note = |number: u64, name: &TenantId| {
        insert.execute(params![
            number as i64,
            name.as_str(),
            micros(now),
            SEEN_AGAIN_AFTER.as_micros() as i64
        ])
    };
    for (number, name) in members {
        match note(*number, name) {
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.code == ErrorCode::ConstraintViolation =>
            {
                let forget = format!(
                    "UPDATE tenant SET tenant_id = '{ERASED}' || number WHERE tenant_id = ?1"
                );
                tx.prepare_cached(&forget)?.execute([name.as_str()])?;
                note(*number, name)?;
            }
            noted => drop(noted?),
        }
    }
    Ok(())
}
