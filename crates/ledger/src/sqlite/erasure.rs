//! Erasure of users, on SQLite (W8).

use async_trait::async_trait;
use cohort_preferences::TenantId;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteLedger;
use super::row::{number, parsed};
use crate::LedgerError;
use crate::erasure::{ERASED, ErasureLedger};
use crate::json::to_json;

#[async_trait]
impl ErasureLedger for SqliteLedger {
    async fn erased_until(&self) -> Result<Option<String>, LedgerError> {
        self.db.read(erased_until).await
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

fn erased_until(tx: &Connection) -> Result<Option<String>, LedgerError> {
    let mut statement = tx.prepare_cached("SELECT cursor FROM erased_until")?;
    Ok(statement.query_row([], |row| row.get("cursor")).optional()?)
}

fn erase(tx: &Connection, numbers: &[u64], until: &str) -> Result<(), LedgerError> {
    if !numbers.is_empty() {
        erase_names(tx, numbers)?;
        erase_texts(tx, numbers)?;
    }
    tx.prepare_cached("DELETE FROM erased_until")?.execute([])?;
    tx.prepare_cached("INSERT INTO erased_until (cursor) VALUES (?1)")?.execute([until])?;
    Ok(())
}

fn erase_names(tx: &Connection, numbers: &[u64]) -> Result<(), LedgerError> {
    let erase = format!(
        "UPDATE tenant
         SET tenant_id = '{ERASED}' || number
         WHERE number IN (SELECT value FROM json_each(?1))"
    );
    tx.prepare_cached(&erase)?.execute([to_json(numbers)])?;
    Ok(())
}

/// Removes what handlers said of users.
fn erase_texts(tx: &Connection, numbers: &[u64]) -> Result<(), LedgerError> {
    let numbers = to_json(numbers);
    // Erasures are rare, and an index by user would slow down every outcome.
    for outcomes in ["outcome", "requeued_outcome"] {
        let erase = format!(
            "UPDATE {outcomes}
             SET detail = NULL, result = NULL
             WHERE tenant IN (SELECT value FROM json_each(?1))
                 AND (detail IS NOT NULL OR result IS NOT NULL)"
        );
        tx.prepare_cached(&erase)?.execute([&numbers])?;
    }
    tx.prepare_cached(
        "UPDATE attempt
         SET error = NULL
         WHERE tenant IN (SELECT value FROM json_each(?1)) AND error IS NOT NULL",
    )?
    .execute([&numbers])?;
    Ok(())
}

fn named_tenants(
    tx: &Connection,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, TenantId)>, LedgerError> {
    let mut select = tx.prepare_cached(&format!(
        "SELECT number, tenant_id
         FROM tenant
         WHERE number > ?1 AND tenant_id <> '{ERASED}' || number
         ORDER BY number
         LIMIT ?2"
    ))?;
    let rows = select.query_map(params![after as i64, limit as i64], |row| {
        Ok((number(row, "number")?, parsed(row, "tenant_id")?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
