//! Erasure of users, on PostgreSQL (W8). Rows of users are locked by ascending number.

use async_trait::async_trait;
use cohort_database::{GenericClient, Transaction};
use cohort_preferences::TenantId;

use super::PostgresLedger;
use super::named::{execute, named, query, query_opt};
use super::row::{number, parsed};
use crate::LedgerError;
use crate::erasure::{ERASED, ErasureLedger};

#[async_trait]
impl ErasureLedger for PostgresLedger {
    async fn erased_until(&self) -> Result<Option<String>, LedgerError> {
        erased_until(&*self.long_connection().await?).await
    }

    async fn erase(&self, numbers: Vec<u64>, until: String) -> Result<(), LedgerError> {
        let mut connection = self.long_connection().await?;
        let tx = connection.transaction().await?;
        erase(&tx, &numbers, &until).await?;
        Ok(tx.commit().await?)
    }

    async fn named_tenants(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TenantId)>, LedgerError> {
        named_tenants(&*self.long_connection().await?, after, limit).await
    }
}

async fn erased_until(db: &impl GenericClient) -> Result<Option<String>, LedgerError> {
    let row = query_opt(db, "SELECT cursor FROM erased_until", &[]).await?;
    Ok(row.map(|row| row.get("cursor")))
}

async fn erase(tx: &Transaction<'_>, numbers: &[u64], until: &str) -> Result<(), LedgerError> {
    if !numbers.is_empty() {
        let numbers: Vec<i64> = numbers.iter().map(|number| *number as i64).collect();
        erase_names(tx, &numbers).await?;
        erase_texts(tx, &numbers).await?;
    }
    execute(
        tx,
        "INSERT INTO erased_until
         VALUES (1, :until)
         ON CONFLICT (only_row) DO UPDATE
         SET cursor = excluded.cursor",
        named! { until: until },
    )
    .await?;
    Ok(())
}

async fn erase_names(tx: &Transaction<'_>, numbers: &[i64]) -> Result<(), LedgerError> {
    let erase = format!(
        "UPDATE tenant
         SET tenant_id = '{ERASED}' || tenant.number
         FROM (
             SELECT number FROM tenant WHERE number = ANY(:numbers) ORDER BY number FOR UPDATE
         ) held
         WHERE held.number = tenant.number"
    );
    execute(tx, &erase, named! { numbers: numbers }).await?;
    Ok(())
}

/// Removes what handlers said of users.
async fn erase_texts(tx: &Transaction<'_>, numbers: &[i64]) -> Result<(), LedgerError> {
    // Erasures are rare, and an index by user would slow down every outcome.
    for outcomes in ["outcome", "requeued_outcome"] {
        let erase = format!(
            "UPDATE {outcomes}
             SET detail = NULL, result = NULL
             WHERE tenant = ANY(:numbers) AND (detail IS NOT NULL OR result IS NOT NULL)"
        );
        execute(tx, &erase, named! { numbers: numbers }).await?;
    }
    execute(
        tx,
        "UPDATE attempt
         SET error = NULL
         WHERE tenant = ANY(:numbers) AND error IS NOT NULL",
        named! { numbers: numbers },
    )
    .await?;
    Ok(())
}

async fn named_tenants(
    db: &impl GenericClient,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, TenantId)>, LedgerError> {
    let sql = format!(
        "SELECT number, tenant_id
         FROM tenant
         WHERE number > :after AND tenant_id <> '{ERASED}' || number
         ORDER BY number
         LIMIT :limit"
    );
    let rows = query(db, &sql, named! { after: after as i64, limit: limit as i64 }).await?;
    rows.iter().map(|row| Ok((number(row, "number"), parsed(row, "tenant_id")?))).collect()
}
