//! Members who wait for their turns (D7), on SQLite.

use async_trait::async_trait;
use cohort_preferences::TenantId;
use rusqlite::{Connection, params};

use super::super::fair::{FairLedger, MembersQueued, by_value};
use super::{LedgerError, OpenMember, Page, SqliteLedger, advance_cursor, close_if_complete, erasure, micros, to_json};

#[async_trait]
impl FairLedger for SqliteLedger {
    async fn queue_members(&self, page: MembersQueued<'_>) -> Result<bool, LedgerError> {
        let MembersQueued { read, values } = page;
        let page = Page::of(read);
        self.db.write(move |tx| queue_members(tx, &page, &values)).await
    }
}

fn queue_members(tx: &Connection, page: &Page, values: &[String]) -> Result<bool, LedgerError> {
    let Some((mut ordinal, priority)) = advance_cursor(tx, page)? else {
        return Ok(false);
    };
    erasure::note_names(tx, &page.members)?;
    let front = front(tx, priority)?;
    for (value, members) in by_value(&page.members, values) {
        for members in members.chunks(page.chunk_size) {
            let turn = next_turn(tx, page, priority, value, front)?;
            insert_waiting(tx, page, priority, ordinal, turn, members)?;
            ordinal += members.len() as u64;
        }
    }
    close_if_complete(tx, page.run, page.claim.at)?;
    Ok(true)
}

/// The turn before that of the chunk at the front of this priority; if none waits, the last that was given.
fn front(tx: &Connection, priority: i64) -> Result<i64, LedgerError> {
    let front = tx
        .prepare_cached(
            "SELECT coalesce((SELECT min(turn) - 1 FROM chunk WHERE state = 'ready' AND priority = ?1 AND turn IS NOT NULL),
                             (SELECT max(turn) FROM fair_share WHERE priority = ?1), 0)",
        )?
        .query_row([priority], |row| row.get(0))?;
    Ok(front)
}

fn next_turn(tx: &Connection, page: &Page, priority: i64, value: &str, front: i64) -> Result<i64, LedgerError> {
    let turn = tx
        .prepare_cached(
            "INSERT INTO fair_share (priority, job, value, turn) SELECT ?1, job, ?3, ?4 + 1 FROM run WHERE id = ?2
             ON CONFLICT (priority, job, value) DO UPDATE SET turn = max(fair_share.turn, ?4) + 1 RETURNING turn",
        )?
        .query_row(params![priority, page.run.0, value, front], |row| row.get(0))?;
    Ok(turn)
}

fn insert_waiting(
    tx: &Connection,
    page: &Page,
    priority: i64,
    first_ordinal: u64,
    turn: i64,
    members: &[&(u64, TenantId)],
) -> Result<(), LedgerError> {
    let open: Vec<OpenMember> = (first_ordinal..).zip(members).map(|(ordinal, (number, _))| OpenMember::of(ordinal, *number)).collect();
    let (first, last) = (open[0].number, open[open.len() - 1].number);
    tx.prepare_cached(
        "INSERT INTO chunk (run, first_tenant, last_tenant, first_ordinal, size, state, priority, ready_at, open_members, attempt, token, turn)
         VALUES (?1, ?2, ?3, ?4, ?5, 'ready', ?6, ?7, ?8, 0, 0, ?9)",
    )?
    .execute(params![
        page.run.0,
        first as i64,
        last as i64,
        first_ordinal as i64,
        members.len() as i64,
        priority,
        micros(page.claim.at),
        to_json(&open),
        turn,
    ])?;
    Ok(())
}
