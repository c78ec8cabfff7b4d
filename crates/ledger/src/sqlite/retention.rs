//! What is no longer kept goes, on SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{SqliteLedger, micros};
use crate::LedgerError;
use crate::retention::{Pruned, RetentionLedger, SEEN_AGAIN_AFTER};

#[async_trait]
impl RetentionLedger for SqliteLedger {
    async fn prune(&self, cutoff: Timestamp, rows: usize) -> Result<Pruned, LedgerError> {
        // Mostly there is nothing, and to learn that nobody has to wait for the writer.
        if self.db.read(move |tx| has_outlived(tx, cutoff)).await? {
            self.db.write(move |tx| prune(tx, cutoff, rows)).await
        } else {
            Ok(Pruned::default())
        }
    }
}

fn has_outlived(tx: &Connection, cutoff: Timestamp) -> Result<bool, LedgerError> {
    let has_settlement = tx.prepare_cached(
        "SELECT 1 FROM (SELECT at FROM settlement ORDER BY id LIMIT 1) WHERE at < ?1",
    )?;
    let has_run =
        tx.prepare_cached("SELECT 1 FROM run WHERE state = 'closed' AND closed_at < ?1 LIMIT 1")?;
    for mut has in [has_settlement, has_run] {
        if has.exists([micros(cutoff)])? {
            return Ok(true);
        }
    }
    let unseen = unseen_since(tx, cutoff)?;
    Ok(tx.prepare_cached("SELECT 1 FROM tenant WHERE seen_at < ?1 LIMIT 1")?.exists([unseen])?)
}

fn prune(tx: &Connection, cutoff: Timestamp, rows: usize) -> Result<Pruned, LedgerError> {
    let mut pruned =
        Pruned { settlements: prune_settlements(tx, cutoff, rows)?, ..Pruned::default() };
    while pruned.rows() < rows {
        let Some(run) = outlived_run(tx, cutoff)? else {
            pruned.names = prune_names(tx, cutoff, rows - pruned.rows())?;
            break;
        };
        prune_run(tx, run, rows, &mut pruned)?;
    }
    Ok(pruned)
}

/// The oldest settlements, as long as they are from before.
fn prune_settlements(
    tx: &Connection,
    cutoff: Timestamp,
    rows: usize,
) -> Result<usize, LedgerError> {
    let oldest_kept: Option<i64> = tx
        .prepare_cached(
            "SELECT min(id) FROM (SELECT id, at FROM settlement ORDER BY id LIMIT ?2) \
            WHERE at >= ?1",
        )?
        .query_row(params![micros(cutoff), rows as i64], |row| row.get(0))?;
    let last: Option<i64> = tx
        .prepare_cached(
            "SELECT max(id) FROM (SELECT id FROM settlement WHERE ?1 IS NULL OR id < \
            ?1 ORDER BY id LIMIT ?2)",
        )?
        .query_row(params![oldest_kept, rows as i64], |row| row.get(0))?;
    let Some(last) = last else { return Ok(0) };
    tx.prepare_cached("UPDATE feed_pruned SET settlement = max(settlement, ?1)")?
        .execute([last])?;
    Ok(tx.prepare_cached("DELETE FROM settlement WHERE id <= ?1")?.execute([last])?)
}

fn outlived_run(tx: &Connection, cutoff: Timestamp) -> Result<Option<i64>, LedgerError> {
    let mut oldest = tx.prepare_cached(
        "SELECT id FROM run WHERE state = 'closed' AND closed_at < ?1 ORDER BY closed_at LIMIT 1",
    )?;
    Ok(oldest.query_row([micros(cutoff)], |row| row.get(0)).optional()?)
}

/// Takes rows of a run while there is room; the run itself goes last, so that what is left can be
/// found again.
fn prune_run(
    tx: &Connection,
    run: i64,
    rows: usize,
    pruned: &mut Pruned,
) -> Result<(), LedgerError> {
    pruned.attempts += delete_of_run(
        tx,
        ("attempt", "(ordinal, attempt)", "ordinal, attempt"),
        run,
        rows - pruned.rows(),
    )?;
    pruned.outcomes += delete_of_run(
        tx,
        ("requeued_outcome", "(ordinal, settlement)", "ordinal, settlement"),
        run,
        rows - pruned.rows(),
    )?;
    pruned.outcomes +=
        delete_of_run(tx, ("outcome", "ordinal", "ordinal"), run, rows - pruned.rows())?;
    pruned.chunks += delete_of_run(tx, ("chunk", "id", "id"), run, rows - pruned.rows())?;
    if pruned.rows() < rows {
        pruned.runs += tx.prepare_cached("DELETE FROM run WHERE id = ?1")?.execute([run])?;
    }
    Ok(())
}

/// Deletes at most so many rows of a run from a table, whose key below the run is given as a row
/// value and as columns.
fn delete_of_run(
    tx: &Connection,
    (table, key, columns): (&str, &str, &str),
    run: i64,
    rows: usize,
) -> Result<usize, LedgerError> {
    let sql = format!(
        "DELETE FROM {table} WHERE run = ?1 AND {key} IN (SELECT {columns} FROM {table} WHERE run \
         = ?1 LIMIT ?2)"
    );
    Ok(tx.prepare_cached(&sql)?.execute(params![run, rows as i64])?)
}

/// Names of users who were last members before the oldest run that is kept was opened.
fn prune_names(tx: &Connection, cutoff: Timestamp, rows: usize) -> Result<usize, LedgerError> {
    let unseen = unseen_since(tx, cutoff)?;
    let sql = "DELETE FROM tenant WHERE number IN (SELECT number FROM tenant WHERE seen_at < ?1 \
        LIMIT ?2)";
    Ok(tx.prepare_cached(sql)?.execute(params![unseen, rows as i64])?)
}

/// Whoever was noted to be a member before this instant, and not since, is a member of no run that
/// is kept.
fn unseen_since(tx: &Connection, cutoff: Timestamp) -> Result<i64, LedgerError> {
    let oldest_run: Option<i64> =
        tx.prepare_cached("SELECT min(opened_at) FROM run")?.query_row([], |row| row.get(0))?;
    let oldest = oldest_run.map_or(micros(cutoff), |oldest| oldest.min(micros(cutoff)));
    Ok(oldest.saturating_sub(SEEN_AGAIN_AFTER.as_micros() as i64))
}
