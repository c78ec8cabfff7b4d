//! Removes what is no longer kept, on SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::SqliteLedger;
use crate::LedgerError;
use crate::retention::{Pruned, RetentionLedger, SEEN_AGAIN_AFTER};
use crate::rows::micros;
use crate::states::CLOSED;

/// A table with rows of runs.
struct RowsOfRun {
    table: &'static str,
    /// The columns that tell the rows of one run apart.
    key: &'static str,
}

const ATTEMPTS: RowsOfRun = RowsOfRun { table: "attempt", key: "ordinal, attempt" };
const REQUEUED_OUTCOMES: RowsOfRun =
    RowsOfRun { table: "requeued_outcome", key: "ordinal, settlement" };
const OUTCOMES: RowsOfRun = RowsOfRun { table: "outcome", key: "ordinal" };
const RERUN_MEMBERS: RowsOfRun = RowsOfRun { table: "rerun_member", key: "tenant" };
const CHUNKS: RowsOfRun = RowsOfRun { table: "chunk", key: "id" };

#[async_trait]
impl RetentionLedger for SqliteLedger {
    #[tracing::instrument(level = "debug", skip_all, fields(%cutoff, rows))]
    async fn prune(&self, cutoff: Timestamp, rows: usize) -> Result<Pruned, LedgerError> {
        // Mostly there is nothing to remove, and to learn that nobody has to wait for the writer.
        if self.db.read(move |tx| has_outlived(tx, cutoff)).await? {
            self.db.write(move |tx| prune(tx, cutoff, rows)).await
        } else {
            Ok(Pruned::default())
        }
    }
}

fn has_outlived(tx: &Connection, cutoff: Timestamp) -> Result<bool, LedgerError> {
    let mut has_feed_entry = tx.prepare_cached(
        "SELECT 1 FROM (SELECT at FROM settlement ORDER BY id LIMIT 1) WHERE at < ?1",
    )?;
    if has_feed_entry.exists([micros(cutoff)])? {
        return Ok(true);
    }
    let has_run = format!("SELECT 1 FROM run WHERE state = '{CLOSED}' AND closed_at < ?1 LIMIT 1");
    if tx.prepare_cached(&has_run)?.exists([micros(cutoff)])? {
        return Ok(true);
    }
    let unseen = unseen_since(tx, cutoff)?;
    Ok(tx.prepare_cached("SELECT 1 FROM tenant WHERE seen_at < ?1 LIMIT 1")?.exists([unseen])?)
}

fn prune(tx: &Connection, cutoff: Timestamp, rows: usize) -> Result<Pruned, LedgerError> {
    let mut pruned = Pruned { feed_entries: prune_feed(tx, cutoff, rows)?, ..Pruned::default() };
    while pruned.rows() < rows {
        let Some(run) = outlived_run(tx, cutoff)? else {
            pruned.names = prune_names(tx, cutoff, rows - pruned.rows())?;
            break;
        };
        prune_run(tx, run, rows, &mut pruned)?;
    }
    Ok(pruned)
}

/// Removes the oldest entries of the feed, up to the first that is kept.
fn prune_feed(tx: &Connection, cutoff: Timestamp, rows: usize) -> Result<usize, LedgerError> {
    let oldest_kept: Option<i64> = tx
        .prepare_cached(
            "SELECT min(id) AS oldest_kept
             FROM (SELECT id, at FROM settlement ORDER BY id LIMIT ?2)
             WHERE at >= ?1",
        )?
        .query_row(params![micros(cutoff), rows as i64], |row| row.get("oldest_kept"))?;
    let last: Option<i64> = tx
        .prepare_cached(
            "SELECT max(id) AS last
             FROM (
                 SELECT id FROM settlement WHERE ?1 IS NULL OR id < ?1 ORDER BY id LIMIT ?2
             )",
        )?
        .query_row(params![oldest_kept, rows as i64], |row| row.get("last"))?;
    let Some(last) = last else { return Ok(0) };
    tx.prepare_cached("UPDATE feed_pruned SET settlement = max(settlement, ?1)")?
        .execute([last])?;
    Ok(tx.prepare_cached("DELETE FROM settlement WHERE id <= ?1")?.execute([last])?)
}

/// The run that was closed longest ago, if it is no longer kept.
fn outlived_run(tx: &Connection, cutoff: Timestamp) -> Result<Option<i64>, LedgerError> {
    let mut oldest = tx.prepare_cached(&format!(
        "SELECT id
         FROM run
         WHERE state = '{CLOSED}' AND closed_at < ?1
         ORDER BY closed_at
         LIMIT 1"
    ))?;
    Ok(oldest.query_row([micros(cutoff)], |row| row.get("id")).optional()?)
}

/// Removes rows of a run while the limit allows it. The run itself goes last, so that the next call
/// finds what is left.
fn prune_run(
    tx: &Connection,
    run: i64,
    rows: usize,
    pruned: &mut Pruned,
) -> Result<(), LedgerError> {
    pruned.attempts += delete_of_run(tx, &ATTEMPTS, run, rows - pruned.rows())?;
    pruned.outcomes += delete_of_run(tx, &REQUEUED_OUTCOMES, run, rows - pruned.rows())?;
    pruned.outcomes += delete_of_run(tx, &OUTCOMES, run, rows - pruned.rows())?;
    pruned.rerun_members += delete_of_run(tx, &RERUN_MEMBERS, run, rows - pruned.rows())?;
    pruned.chunks += delete_of_run(tx, &CHUNKS, run, rows - pruned.rows())?;
    if pruned.rows() < rows {
        pruned.runs += tx.prepare_cached("DELETE FROM run WHERE id = ?1")?.execute([run])?;
    }
    Ok(())
}

/// Deletes at most so many rows of a run from a table.
fn delete_of_run(
    tx: &Connection,
    RowsOfRun { table, key }: &RowsOfRun,
    run: i64,
    rows: usize,
) -> Result<usize, LedgerError> {
    let sql = format!(
        "DELETE FROM {table}
         WHERE run = ?1 AND ({key}) IN (SELECT {key} FROM {table} WHERE run = ?1 LIMIT ?2)"
    );
    Ok(tx.prepare_cached(&sql)?.execute(params![run, rows as i64])?)
}

/// Removes the names of users who were last members before the oldest run that is kept was opened.
fn prune_names(tx: &Connection, cutoff: Timestamp, rows: usize) -> Result<usize, LedgerError> {
    let unseen = unseen_since(tx, cutoff)?;
    let sql = "DELETE FROM tenant
        WHERE number IN (SELECT number FROM tenant WHERE seen_at < ?1 LIMIT ?2)";
    Ok(tx.prepare_cached(sql)?.execute(params![unseen, rows as i64])?)
}

/// The instant before which a user must have been noted last to be a member of no run that is kept.
fn unseen_since(tx: &Connection, cutoff: Timestamp) -> Result<i64, LedgerError> {
    let oldest_run: Option<i64> = tx
        .prepare_cached("SELECT min(opened_at) AS oldest FROM run")?
        .query_row([], |row| row.get("oldest"))?;
    let oldest = oldest_run.map_or(micros(cutoff), |oldest| oldest.min(micros(cutoff)));
    Ok(oldest.saturating_sub(SEEN_AGAIN_AFTER.as_micros() as i64))
}
