//! Removes what is no longer kept, on PostgreSQL. One agent at a time removes; the others leave it
//! to that one.

use async_trait::async_trait;
use cohort_database::Transaction;
use jiff::Timestamp;

use super::PostgresLedger;
use super::named::{execute, named, query_one, query_opt};
use crate::LedgerError;
use crate::retention::{Pruned, RetentionLedger, SEEN_AGAIN_AFTER};
use crate::rows::micros;
use crate::states::CLOSED;

#[async_trait]
impl RetentionLedger for PostgresLedger {
    #[tracing::instrument(level = "debug", skip_all, fields(%cutoff, rows))]
    async fn prune(&self, cutoff: Timestamp, rows: usize) -> Result<Pruned, LedgerError> {
        let mut connection = self.long_connection().await?;
        let tx = connection.transaction().await?;
        if query_opt(&tx, "SELECT FROM feed_pruned FOR UPDATE SKIP LOCKED", &[]).await?.is_none() {
            return Ok(Pruned::default());
        }
        let pruned = prune(&tx, cutoff, rows).await?;
        tx.commit().await?;
        Ok(pruned)
    }
}

async fn prune(
    tx: &Transaction<'_>,
    cutoff: Timestamp,
    rows: usize,
) -> Result<Pruned, LedgerError> {
    let mut pruned =
        Pruned { feed_entries: prune_feed(tx, cutoff, rows).await?, ..Pruned::default() };
    while pruned.rows() < rows {
        let Some(run) = outlived_run(tx, cutoff).await? else {
            pruned.names = prune_names(tx, cutoff, rows - pruned.rows()).await?;
            break;
        };
        prune_run(tx, run, rows, &mut pruned).await?;
    }
    Ok(pruned)
}

/// Removes the oldest entries of the feed, up to the first that is kept.
async fn prune_feed(
    tx: &Transaction<'_>,
    cutoff: Timestamp,
    rows: usize,
) -> Result<usize, LedgerError> {
    let last = query_opt(
        tx,
        "WITH oldest AS (
             SELECT transaction, id, at
             FROM settlement
             ORDER BY transaction, id
             LIMIT :rows
         ),
         kept AS (
             SELECT transaction, id
             FROM oldest
             WHERE at >= :cutoff
             ORDER BY transaction, id
             LIMIT 1
         )
         SELECT transaction, id
         FROM oldest
         WHERE NOT EXISTS (
             SELECT
             FROM kept
             WHERE (kept.transaction, kept.id) <= (oldest.transaction, oldest.id)
         )
         ORDER BY transaction DESC, id DESC
         LIMIT 1",
        named! { cutoff: micros(cutoff), rows: rows as i64 },
    )
    .await?;
    let Some(last) = last else { return Ok(0) };
    let (transaction, id): (i64, i64) = (last.get("transaction"), last.get("id"));
    let values = named! { transaction: transaction, id: id };
    let note = "UPDATE feed_pruned SET transaction = :transaction, settlement = :id";
    execute(tx, note, values).await?;
    let delete = "DELETE FROM settlement WHERE (transaction, id) <= (:transaction, :id)";
    Ok(execute(tx, delete, values).await? as usize)
}

/// The run that was closed longest ago, if it is no longer kept; nobody reopens it before this
/// transaction ends.
async fn outlived_run(tx: &Transaction<'_>, cutoff: Timestamp) -> Result<Option<i64>, LedgerError> {
    let oldest = format!(
        "SELECT id
         FROM run
         WHERE state = '{CLOSED}' AND closed_at < :cutoff
         ORDER BY closed_at
         LIMIT 1
         FOR UPDATE"
    );
    let row = query_opt(tx, &oldest, named! { cutoff: micros(cutoff) }).await?;
    Ok(row.map(|row| row.get("id")))
}

/// Removes rows of a run while the limit allows it. The run itself goes last, so that the next call
/// finds what is left.
async fn prune_run(
    tx: &Transaction<'_>,
    run: i64,
    rows: usize,
    pruned: &mut Pruned,
) -> Result<(), LedgerError> {
    pruned.attempts += delete_of_run(tx, "attempt", run, rows - pruned.rows()).await?;
    pruned.outcomes += delete_of_run(tx, "requeued_outcome", run, rows - pruned.rows()).await?;
    pruned.outcomes += delete_of_run(tx, "outcome", run, rows - pruned.rows()).await?;
    pruned.rerun_members += delete_of_run(tx, "rerun_member", run, rows - pruned.rows()).await?;
    pruned.chunks += delete_of_run(tx, "chunk", run, rows - pruned.rows()).await?;
    if pruned.rows() < rows {
        let delete = "DELETE FROM run WHERE id = :run";
        pruned.runs += execute(tx, delete, named! { run: run }).await? as usize;
    }
    Ok(())
}

/// Deletes at most so many rows of a run from a table.
async fn delete_of_run(
    tx: &Transaction<'_>,
    table: &str,
    run: i64,
    rows: usize,
) -> Result<usize, LedgerError> {
    let sql = format!(
        "DELETE FROM {table}
         WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE run = :run LIMIT :rows))"
    );
    Ok(execute(tx, &sql, named! { run: run, rows: rows as i64 }).await? as usize)
}

/// Removes the names of users who were last members before the oldest run that is kept was opened.
async fn prune_names(
    tx: &Transaction<'_>,
    cutoff: Timestamp,
    rows: usize,
) -> Result<usize, LedgerError> {
    let delete = "DELETE FROM tenant
        WHERE number IN (
            SELECT number
            FROM tenant
            WHERE seen_at < :unseen
            ORDER BY number
            LIMIT :rows
            FOR UPDATE
        )";
    let unseen = unseen_since(tx, cutoff).await?;
    Ok(execute(tx, delete, named! { unseen: unseen, rows: rows as i64 }).await? as usize)
}

/// The instant before which a user must have been noted last to be a member of no run that is kept.
async fn unseen_since(tx: &Transaction<'_>, cutoff: Timestamp) -> Result<i64, LedgerError> {
    let row = query_one(tx, "SELECT min(opened_at) AS oldest FROM run", &[]).await?;
    let oldest: Option<i64> = row.get("oldest");
    let oldest = oldest.map_or(micros(cutoff), |oldest| oldest.min(micros(cutoff)));
    Ok(oldest.saturating_sub(SEEN_AGAIN_AFTER.as_micros() as i64))
}
