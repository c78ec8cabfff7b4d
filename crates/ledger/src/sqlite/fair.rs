//! Members who wait for their turns (D7), on SQLite.

use async_trait::async_trait;
use cohort_preferences::TenantId;
use rusqlite::{Connection, params};

use super::{
    Advanced, LedgerError, OpenMember, Page, SqliteLedger, advance_cursor, close_if_complete,
    erasure, micros, to_json,
};
use crate::fair::{FairLedger, MembersQueued, by_value};

#[async_trait]
impl FairLedger for SqliteLedger {
    async fn queue_members(&self, page: MembersQueued<'_>) -> Result<bool, LedgerError> {
        let MembersQueued { read, values } = page;
        let page = Page::of(read);
        self.db.write(move |tx| queue_members(tx, &page, &values)).await
    }
}

fn queue_members(tx: &Connection, page: &Page, values: &[String]) -> Result<bool, LedgerError> {
    let Some(advanced) = advance_cursor(tx, page)? else {
        return Ok(false);
    };
    erasure::note_names(tx, &page.members, page.claim.at)?;
    let front = front(tx, &advanced)?;
    let mut ordinal = advanced.first_ordinal;
    for (value, members) in by_value(&page.members, values) {
        let chunks = members.chunks(page.chunk_size);
        let first_turn = take_turns(tx, &advanced, value, chunks.len() as i64, front)?;
        for (turn, members) in (first_turn..).zip(chunks) {
            insert_waiting(tx, page, &advanced, ordinal, turn, members)?;
            ordinal += members.len() as u64;
        }
    }
    close_if_complete(tx, page.run, page.claim.at)?;
    Ok(true)
}

/// The turn before that of the chunk at the front of the lane; if none waits, the last that was
/// given.
fn front(tx: &Connection, lane: &Advanced) -> Result<i64, LedgerError> {
    let front = tx
        .prepare_cached(
            "SELECT coalesce((SELECT min(turn) - 1 FROM chunk WHERE state = 'ready' AND deaths = 0 \
             AND turn > 0 AND priority = ?1 AND job = ?2),
                             (SELECT max(turn) FROM fair_share WHERE priority = ?1 AND job = ?2), \
                             0)",
        )?
        .query_row([lane.priority, lane.job], |row| row.get(0))?;
    Ok(front)
}

/// Gives a value so many turns, one after the other, and answers the first of them.
fn take_turns(
    tx: &Connection,
    lane: &Advanced,
    value: &str,
    turns: i64,
    front: i64,
) -> Result<i64, LedgerError> {
    let first = tx
        .prepare_cached(
            "INSERT INTO fair_share (priority, job, value, turn) VALUES (?1, ?2, ?3, ?4 + ?5)
             ON CONFLICT (priority, job, value) DO UPDATE SET turn = max(fair_share.turn, ?4) + ?5 \
             RETURNING turn - ?5 + 1",
        )?
        .query_row(params![lane.priority, lane.job, value, front, turns], |row| row.get(0))?;
    Ok(first)
}

fn insert_waiting(
    tx: &Connection,
    page: &Page,
    lane: &Advanced,
    first_ordinal: u64,
    turn: i64,
    members: &[&(u64, TenantId)],
) -> Result<(), LedgerError> {
    let numbers: Vec<u64> = members.iter().map(|(number, _)| *number).collect();
    let open = OpenMember::in_order(first_ordinal, &numbers);
    tx.prepare_cached(
        "INSERT INTO chunk (run, first_tenant, last_tenant, first_ordinal, size, state, priority, \
         job, ready_at, open_members, attempt, token, turn)
         VALUES (?1, ?2, ?3, ?4, ?5, 'ready', ?6, ?7, ?8, ?9, 0, 0, ?10)",
    )?
    .execute(params![
        page.run.0,
        open[0].number as i64,
        open[open.len() - 1].number as i64,
        first_ordinal as i64,
        members.len() as i64,
        lane.priority,
        lane.job,
        micros(page.claim.at),
        to_json(&open),
        turn,
    ])?;
    Ok(())
}
