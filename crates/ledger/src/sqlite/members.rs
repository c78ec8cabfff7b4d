//! Puts the members of runs into chunks, and ends the reading of runs, on SQLite.

use cohort_preferences::TenantId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::row::number;
use super::tenants;
use crate::json::to_json;
use crate::rows::micros;
use crate::states::{CLAIMED, CLOSED, HAS_ALL_OUTCOMES, PROCESSING, READING};
use crate::{
    Chunk, Claim, LedgerError, MembersRead, OpenMember, RunId, RunState, UnprocessedReason,
};

/// A page of members on its way to the writer's thread.
pub(super) struct Page {
    pub(super) run: RunId,
    cursor: Option<String>,
    next_cursor: Option<String>,
    stated: String,
    pub(super) members: Vec<(u64, TenantId)>,
    pub(super) chunk_size: usize,
    pub(super) claim: Claim,
}

impl Page {
    pub(super) fn of(read: MembersRead<'_>) -> Self {
        let MembersRead { run, stated, members, next_cursor, chunk_size, claim } = read;
        Self {
            run: run.id,
            cursor: run.cursor.clone(),
            next_cursor,
            stated: to_json(&stated),
            members,
            chunk_size,
            claim,
        }
    }
}

/// A run whose cursor was moved past a page.
pub(super) struct Advanced {
    pub(super) first_ordinal: u64,
    pub(super) job: i64,
    pub(super) priority: i32,
}

pub(super) fn add_members(tx: &Connection, page: &Page) -> Result<Option<Vec<Chunk>>, LedgerError> {
    let Some(advanced) = advance_cursor(tx, page)? else {
        return Ok(None);
    };
    tenants::note_names(tx, &page.members, page.claim.at)?;
    let mut chunks = Vec::with_capacity(page.members.len().div_ceil(page.chunk_size));
    let mut ordinal = advanced.first_ordinal;
    for members in page.members.chunks(page.chunk_size) {
        chunks.push(insert_chunk(tx, page, ordinal, &advanced, members)?);
        ordinal += members.len() as u64;
    }
    close_if_complete(tx, page.run, page.claim.at)?;
    Ok(Some(chunks))
}

/// Moves the run's cursor past this page; `None` if the cursor stands elsewhere, because another
/// agent has read the page.
pub(super) fn advance_cursor(
    tx: &Connection,
    page: &Page,
) -> Result<Option<Advanced>, LedgerError> {
    let sql = format!(
        "UPDATE run
         SET cursor = :next_cursor,
             state = :state,
             stated = :stated,
             members = members + :members,
             read_after = :read_after,
             read_faults = 0
         WHERE id = :run AND state = '{READING}' AND cursor IS :cursor
         RETURNING members - :members AS first_ordinal, job, priority"
    );
    let parameters = named_params! {
        ":run": page.run.0,
        ":cursor": page.cursor,
        ":next_cursor": page.next_cursor,
        ":state": RunState::after_page(page.next_cursor.is_some()).as_str(),
        ":stated": page.stated,
        ":members": page.members.len() as i64,
        ":read_after": micros(page.claim.at),
    };
    let moved = tx.prepare_cached(&sql)?.query_row(parameters, |row| {
        Ok(Advanced {
            first_ordinal: number(row, "first_ordinal")?,
            job: row.get("job")?,
            priority: row.get("priority")?,
        })
    });
    Ok(moved.optional()?)
}

fn insert_chunk(
    tx: &Connection,
    page: &Page,
    first_ordinal: u64,
    advanced: &Advanced,
    members: &[(u64, TenantId)],
) -> Result<Chunk, LedgerError> {
    let numbers: Vec<u64> = members.iter().map(|(number, _)| *number).collect();
    let open = OpenMember::in_order(first_ordinal, &numbers);
    let sql = format!(
        "INSERT INTO chunk (
             run, job, priority, first_tenant, last_tenant, first_ordinal, size, open_members,
             state, ready_at, attempt, holder, lease_until, token
         )
         VALUES (
             :run, :job, :priority, :first_tenant, :last_tenant, :first_ordinal, :size,
             :open_members,
             '{CLAIMED}', :ready_at, 0, :holder, :lease_until, :token
         )"
    );
    tx.prepare_cached(&sql)?.execute(named_params! {
        ":run": page.run.0,
        ":job": advanced.job,
        ":priority": advanced.priority,
        ":first_tenant": open[0].number as i64,
        ":last_tenant": open[open.len() - 1].number as i64,
        ":first_ordinal": first_ordinal as i64,
        ":size": members.len() as i64,
        ":open_members": to_json(&open),
        ":ready_at": micros(page.claim.at),
        ":holder": page.claim.holder,
        ":lease_until": micros(page.claim.lease_until),
        ":token": Chunk::FIRST_TOKEN,
    })?;
    Ok(Chunk::born_claimed(tx.last_insert_rowid(), page.run, open))
}

pub(super) fn postpone_reading(
    tx: &Connection,
    run: RunId,
    until: Timestamp,
) -> Result<(), LedgerError> {
    tx.prepare_cached(
        "UPDATE run SET read_after = ?2, read_faults = read_faults + 1 WHERE id = ?1",
    )?
    .execute(params![run.0, micros(until)])?;
    Ok(())
}

pub(super) fn give_up_reading(
    tx: &Connection,
    run: RunId,
    reason: UnprocessedReason,
    unread: Option<u64>,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let Some(unread) = unread else {
        let note = format!("UPDATE run SET reason = ?2 WHERE id = ?1 AND state = '{READING}'");
        tx.prepare_cached(&note)?.execute(params![run.0, reason.as_str()])?;
        return Ok(());
    };
    let unread_as = match reason {
        UnprocessedReason::Missed(_) => "missed = ?3",
        UnprocessedReason::JobPaused | UnprocessedReason::Canceled => {
            "skipped = skipped + ?3, unread = ?3"
        }
    };
    let end = format!(
        "UPDATE run
         SET state = '{PROCESSING}', reason = ?2, {unread_as}
         WHERE id = ?1 AND state = '{READING}'"
    );
    tx.prepare_cached(&end)?.execute(params![run.0, reason.as_str(), unread as i64])?;
    close_if_complete(tx, run, now)
}

/// Closes a run whose members are all read and have all their outcomes (D2).
pub(super) fn close_if_complete(
    tx: &Connection,
    run: RunId,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let close = format!(
        "UPDATE run
         SET state = '{CLOSED}', closed_at = ?2
         WHERE id = ?1 AND state = '{PROCESSING}' AND {HAS_ALL_OUTCOMES}"
    );
    tx.prepare_cached(&close)?.execute(params![run.0, micros(now)])?;
    Ok(())
}
