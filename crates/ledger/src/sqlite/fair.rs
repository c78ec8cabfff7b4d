//! Members who wait for their turns, on SQLite (D7).

use async_trait::async_trait;
use cohort_preferences::TenantId;
use rusqlite::{Connection, named_params};

use super::members::{Advanced, Page, advance_cursor, close_if_complete};
use super::{SqliteLedger, tenants};
use crate::fair::{FairLedger, MembersQueued, by_value};
use crate::json::to_json;
use crate::rows::micros;
use crate::states::{CLAIMABLE_BY_TURN, READY};
use crate::{LedgerError, OpenMember};

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
    tenants::note_names(tx, &page.members, page.claim.at)?;
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

/// The turn before that of the chunk at the front of the lane; if no chunk waits, the last turn
/// that was given.
fn front(tx: &Connection, lane: &Advanced) -> Result<i64, LedgerError> {
    let sql = format!(
        "SELECT coalesce(
             (
                 SELECT min(turn) - 1
                 FROM chunk
                 WHERE {CLAIMABLE_BY_TURN} AND priority = ?1 AND job = ?2
             ),
             (SELECT max(turn) FROM fair_share WHERE priority = ?1 AND job = ?2),
             0
         ) AS front"
    );
    let front =
        tx.prepare_cached(&sql)?.query_row((lane.priority, lane.job), |row| row.get("front"))?;
    Ok(front)
}

/// Gives a value so many turns, one after the other, and returns the first of them.
fn take_turns(
    tx: &Connection,
    lane: &Advanced,
    value: &str,
    turns: i64,
    front: i64,
) -> Result<i64, LedgerError> {
    let first = tx
        .prepare_cached(
            "INSERT INTO fair_share (priority, job, value, turn)
             VALUES (:priority, :job, :value, :front + :turns)
             ON CONFLICT (priority, job, value) DO UPDATE
             SET turn = max(fair_share.turn, :front) + :turns
             RETURNING turn - :turns + 1 AS first_turn",
        )?
        .query_row(
            named_params! {
                ":priority": lane.priority,
                ":job": lane.job,
                ":value": value,
                ":front": front,
                ":turns": turns,
            },
            |row| row.get("first_turn"),
        )?;
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
    let sql = format!(
        "INSERT INTO chunk (
             run, job, priority, first_tenant, last_tenant, first_ordinal, size, open_members,
             state, ready_at, attempt, token, turn
         )
         VALUES (
             :run, :job, :priority, :first_tenant, :last_tenant, :first_ordinal, :size,
             :open_members,
             '{READY}', :ready_at, 0, 0, :turn
         )"
    );
    tx.prepare_cached(&sql)?.execute(named_params! {
        ":run": page.run.0,
        ":job": lane.job,
        ":priority": lane.priority,
        ":first_tenant": open[0].number as i64,
        ":last_tenant": open[open.len() - 1].number as i64,
        ":first_ordinal": first_ordinal as i64,
        ":size": members.len() as i64,
        ":open_members": to_json(&open),
        ":ready_at": micros(page.claim.at),
        ":turn": turn,
    })?;
    Ok(())
}
