//! Erasure of users on PostgreSQL (W8). Rows of users are held by ascending number.

use async_trait::async_trait;
use cohort_database::statement::{execute, query, query_opt};
use cohort_database::{GenericClient, Transaction};
use cohort_preferences::TenantId;
use jiff::Timestamp;

use super::{LedgerError, PostgresLedger, micros, parsed};
use crate::erasure::{ERASED, ErasureLedger};
use crate::retention::SEEN_AGAIN_AFTER;

#[async_trait]
impl ErasureLedger for PostgresLedger {
    async fn erased_until(&self) -> Result<Option<String>, LedgerError> {
        Ok(query_opt(&*self.connection().await?, "SELECT cursor FROM erased_until", &[])
            .await?
            .map(|row| row.get(0)))
    }

    async fn erase(&self, numbers: Vec<u64>, until: String) -> Result<(), LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        erase(&tx, &numbers, &until).await?;
        Ok(tx.commit().await?)
    }

    async fn named_tenants(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TenantId)>, LedgerError> {
        named_tenants(&*self.connection().await?, after, limit).await
    }
}

async fn erase(tx: &Transaction<'_>, numbers: &[u64], until: &str) -> Result<(), LedgerError> {
    if !numbers.is_empty() {
        let numbers: Vec<i64> = numbers.iter().map(|number| *number as i64).collect();
        let forget = format!(
            "UPDATE tenant SET tenant_id = '{ERASED}' || tenant.number
             FROM (SELECT number FROM tenant WHERE number = ANY($1) ORDER BY number FOR UPDATE) \
             held WHERE held.number = tenant.number"
        );
        execute(tx, &forget, &[&numbers]).await?;
        // Erasures are rare, and an index by user would cost every outcome.
        for outcomes in ["outcome", "requeued_outcome"] {
            let empty = format!(
                "UPDATE {outcomes} SET detail = NULL, result = NULL WHERE tenant = ANY($1) AND \
                 (detail IS NOT NULL OR result IS NOT NULL)"
            );
            execute(tx, &empty, &[&numbers]).await?;
        }
        execute(
            tx,
            "UPDATE attempt SET error = NULL WHERE tenant = ANY($1) AND error IS NOT NULL",
            &[&numbers],
        )
        .await?;
    }
    let note = "INSERT INTO erased_until VALUES (1, $1) ON CONFLICT (only_row) DO UPDATE SET \
        cursor = excluded.cursor";
    execute(tx, note, &[&until]).await?;
    Ok(())
}

async fn named_tenants(
    db: &impl GenericClient,
    after: u64,
    limit: usize,
) -> Result<Vec<(u64, TenantId)>, LedgerError> {
    let sql = format!(
        "SELECT number, tenant_id FROM tenant WHERE number > $1 AND tenant_id <> '{ERASED}' || \
         number ORDER BY number LIMIT $2"
    );
    let rows = query(db, &sql, &[&(after as i64), &(limit as i64)]).await?;
    rows.iter().map(|row| Ok((row.get::<_, i64>(0) as u64, parsed(row, 1)?))).collect()
}

/// Notes the names of users, and that they were members of a run. One whose name stands with
/// another number has been erased, and somebody has come back under the same name, before we heard
/// of it. Mostly all of them are known, and nothing is written.
pub(super) async fn note_names(
    tx: &Transaction<'_>,
    members: &[(u64, &TenantId)],
    now: Timestamp,
) -> Result<(), LedgerError> {
    let numbers: Vec<i64> = members.iter().map(|(number, _)| *number as i64).collect();
    let names: Vec<&str> = members.iter().map(|(_, name)| name.as_str()).collect();
    let seen_lately = micros(now) - SEEN_AGAIN_AFTER.as_micros() as i64;
    let to_note = "SELECT member.number, member.name, tenant.number IS NULL FROM \
        unnest($1::bigint[], $2::text[]) AS member (number, name)
              LEFT JOIN tenant ON tenant.number = member.number
         WHERE tenant.number IS NULL OR tenant.seen_at < $3 ORDER BY member.number";
    let to_note = query(tx, to_note, &[&numbers, &names, &seen_lately]).await?;
    if to_note.is_empty() {
        return Ok(());
    }
    let new: Vec<&str> = to_note.iter().filter(|row| row.get(2)).map(|row| row.get(1)).collect();
    if !new.is_empty() {
        let forget =
            format!("UPDATE tenant SET tenant_id = '{ERASED}' || number WHERE tenant_id = ANY($1)");
        execute(tx, &forget, &[&new]).await?;
    }
    let (numbers, names): (Vec<i64>, Vec<&str>) =
        to_note.iter().map(|row| (row.get::<_, i64>(0), row.get::<_, &str>(1))).unzip();
    let note = "INSERT INTO tenant (number, tenant_id, seen_at) SELECT number, name, $3 FROM \
        unnest($1::bigint[], $2::text[]) AS member (number, name)
         ON CONFLICT (number) DO UPDATE SET seen_at = greatest(tenant.seen_at, excluded.seen_at)";
    execute(tx, note, &[&numbers, &names, &micros(now)]).await?;
    Ok(())
}
