//! What is no longer kept goes, on PostgreSQL. One agent at a time removes; the others leave it to
//! that one.

use async_trait::async_trait;
use cohort_database::Transaction;
use cohort_database::statement::{execute, query_one, query_opt};
use jiff::Timestamp;

use super::{PostgresLedger, micros};
use crate::LedgerError;
use crate::retention::{Pruned, RetentionLedger, SEEN_AGAIN_AFTER};

#[async_trait]
impl RetentionLedger for PostgresLedger {
    async fn prune(&self, cutoff: Timestamp, rows: usize) -> Result<Pruned, LedgerError> {
        let mut connection = self.connection().await?;
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
        Pruned { settlements: prune_settlements(tx, cutoff, rows).await?, ..Pruned::default() };
    while pruned.rows() < rows {
        let Some(run) = outlived_run(tx, cutoff).await? else {
            pruned.names = prune_names(tx, cutoff, rows - pruned.rows()).await?;
            break;
        };
        prune_run(tx, run, rows, &mut pruned).await?;
    }
    Ok(pruned)
}

/// The oldest settlements, as long as they are from before.
async fn prune_settlements(
    tx: &Transaction<'_>,
    cutoff: Timestamp,
    rows: usize,
) -> Result<usize, LedgerError> {
    let last = query_opt(
        tx,
        "WITH oldest AS (SELECT transaction, id, at FROM settlement ORDER BY transaction, id LIMIT \
         $2),
              kept AS (SELECT transaction, id FROM oldest WHERE at >= $1 ORDER BY transaction, id \
              LIMIT 1)
         SELECT transaction, id FROM oldest
         WHERE NOT EXISTS (SELECT FROM kept WHERE (kept.transaction, kept.id) <= \
         (oldest.transaction, oldest.id))
         ORDER BY transaction DESC, id DESC LIMIT 1",
        &[&micros(cutoff), &(rows as i64)],
    )
    .await?;
    let Some(last) = last else { return Ok(0) };
    let place: (i64, i64) = (last.get(0), last.get(1));
    execute(tx, "UPDATE feed_pruned SET transaction = $1, settlement = $2", &[&place.0, &place.1])
        .await?;
    Ok(execute(
        tx,
        "DELETE FROM settlement WHERE (transaction, id) <= ($1, $2)",
        &[&place.0, &place.1],
    )
    .await? as usize)
}

/// A run to remove, which nobody reopens before this transaction ends.
async fn outlived_run(tx: &Transaction<'_>, cutoff: Timestamp) -> Result<Option<i64>, LedgerError> {
    let oldest = "SELECT id FROM run WHERE state = 'closed' AND closed_at < $1 ORDER BY closed_at \
        LIMIT 1 FOR UPDATE";
    Ok(query_opt(tx, oldest, &[&micros(cutoff)]).await?.map(|row| row.get(0)))
}

/// Takes rows of a run while there is room; the run itself goes last, so that what is left can be
/// found again.
async fn prune_run(
    tx: &Transaction<'_>,
    run: i64,
    rows: usize,
    pruned: &mut Pruned,
) -> Result<(), LedgerError> {
    pruned.attempts += delete_of_run(tx, "attempt", run, rows - pruned.rows()).await?;
    pruned.outcomes += delete_of_run(tx, "requeued_outcome", run, rows - pruned.rows()).await?;
    pruned.outcomes += delete_of_run(tx, "outcome", run, rows - pruned.rows()).await?;
    pruned.chunks += delete_of_run(tx, "chunk", run, rows - pruned.rows()).await?;
    if pruned.rows() < rows {
        pruned.runs += execute(tx, "DELETE FROM run WHERE id = $1", &[&run]).await? as usize;
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
        "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE run = $1 LIMIT \
         $2))"
    );
    Ok(execute(tx, &sql, &[&run, &(rows as i64)]).await? as usize)
}

/// Names of users who were last members before the oldest run that is kept was opened.
async fn prune_names(
    tx: &Transaction<'_>,
    cutoff: Timestamp,
    rows: usize,
) -> Result<usize, LedgerError> {
    let unseen = unseen_since(tx, cutoff).await?;
    let sql = "DELETE FROM tenant WHERE number IN (SELECT number FROM tenant WHERE seen_at < $1 \
        ORDER BY number LIMIT $2 FOR UPDATE)";
    Ok(execute(tx, sql, &[&unseen, &(rows as i64)]).await? as usize)
}

/// Whoever was noted to be a member before this instant, and not since, is a member of no run that
/// is kept.
async fn unseen_since(tx: &Transaction<'_>, cutoff: Timestamp) -> Result<i64, LedgerError> {
    let oldest_run: Option<i64> =
        query_one(tx, "SELECT min(opened_at) FROM run", &[]).await?.get(0);
    let oldest = oldest_run.map_or(micros(cutoff), |oldest| oldest.min(micros(cutoff)));
    Ok(oldest.saturating_sub(SEEN_AGAIN_AFTER.as_micros() as i64))
}
