//! Records what an attempt made of a chunk, on SQLite.

use std::borrow::Cow;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, named_params, params, params_from_iter};

use super::members::close_if_complete;
use crate::rows::{AttemptRow, Kind, OutcomeRow, Value, instead_of_requeued, micros};
use crate::states::CLAIMED;
use crate::{ChunkResult, Counts, LedgerError};

pub(super) fn record_outcomes(tx: &Connection, result: &ChunkResult) -> Result<(), LedgerError> {
    end_claim(tx, result)?;
    insert_attempts(tx, result)?;
    let Some(ordinals) = result.ordinals() else {
        return Ok(());
    };
    count_outcomes(tx, result)?;
    let feed_entry = insert_feed_entry(tx, result, ordinals)?;
    insert_outcomes(tx, result, feed_entry)?;
    close_if_complete(tx, result.run, result.at)
}

/// Ends the claim, if it still holds (F3): the chunk is ready for the members that are left, or
/// done.
pub(super) fn end_claim(tx: &Connection, result: &ChunkResult) -> Result<(), LedgerError> {
    let after = result.chunk_after();
    let sql = format!(
        "UPDATE chunk
         SET state = :state,
             open_members = :open_members,
             ready_at = :ready_at,
             attempt = :attempts,
             holder = NULL,
             lease_until = NULL,
             turn = 0
         WHERE id = :chunk AND token = :token AND state = '{CLAIMED}'"
    );
    let changed = tx.prepare_cached(&sql)?.execute(named_params! {
        ":chunk": result.chunk,
        ":token": result.token,
        ":state": after.state.as_str(),
        ":open_members": after.open_members,
        ":ready_at": micros(after.ready_at),
        ":attempts": result.attempts,
    })?;
    if changed == 1 { Ok(()) } else { Err(LedgerError::LostClaim { chunk: result.chunk }) }
}

fn insert_attempts(tx: &Connection, result: &ChunkResult) -> Result<(), LedgerError> {
    if result.retried.is_empty() {
        return Ok(());
    }
    let mut insert = tx.prepare_cached(&insert_into(AttemptRow::TABLE, AttemptRow::COLUMNS))?;
    for row in AttemptRow::all_of(result, as_it_is) {
        insert.execute(params_from_iter(row.values()))?;
    }
    Ok(())
}

/// Raises the counters of the run.
fn count_outcomes(tx: &Connection, result: &ChunkResult) -> Result<(), LedgerError> {
    let counts = Counts::of(&result.outcomes);
    tx.prepare_cached(
        "UPDATE run
         SET succeeded = succeeded + ?2, failed = failed + ?3, skipped = skipped + ?4
         WHERE id = ?1",
    )?
    .execute(params![
        result.run.0,
        counts.succeeded as i64,
        counts.failed as i64,
        counts.skipped as i64
    ])?;
    Ok(())
}

/// Notes in the feed that outcomes of these places were recorded, and returns the entry's number.
fn insert_feed_entry(
    tx: &Connection,
    result: &ChunkResult,
    (first, last): (u64, u64),
) -> Result<i64, LedgerError> {
    tx.prepare_cached(
        "INSERT INTO settlement (run, first_ordinal, last_ordinal, at) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![result.run.0, first as i64, last as i64, micros(result.at)])?;
    Ok(tx.last_insert_rowid())
}

/// Records the outcomes of users who have none, or were requeued. Any other outcome stays as it is
/// (D2).
fn insert_outcomes(
    tx: &Connection,
    result: &ChunkResult,
    feed_entry: i64,
) -> Result<(), LedgerError> {
    let insert = insert_into(OutcomeRow::TABLE, OutcomeRow::COLUMNS);
    let mut insert = tx.prepare_cached(&format!("{insert} {}", instead_of_requeued()))?;
    for (row, outcome) in OutcomeRow::all_of(result, feed_entry, as_it_is).zip(&result.outcomes) {
        if insert.execute(params_from_iter(row.values()))? != 1 {
            let (run, ordinal) = (result.run, outcome.ordinal);
            return Err(LedgerError::Corrupt(format!(
                "place {ordinal} of run {run} has an outcome already"
            )));
        }
    }
    Ok(())
}

fn insert_into<const N: usize>(table: &str, columns: [(&str, Kind); N]) -> String {
    let (names, places) = (columns.map(|(name, _)| name).join(", "), ["?"; N].join(", "));
    format!("INSERT INTO {table} ({names}) VALUES ({places})")
}

/// A text of SQLite holds any character.
fn as_it_is(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Number(None) | Self::Text(None) => ValueRef::Null,
            Self::Number(Some(number)) => ValueRef::Integer(*number),
            Self::Integer(integer) => ValueRef::Integer((*integer).into()),
            Self::Flag(flag) => ValueRef::Integer((*flag).into()),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}
