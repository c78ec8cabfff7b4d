//! Puts the members of runs into chunks, and ends the reading of runs, on PostgreSQL.

use std::collections::HashMap;

use cohort_database::{GenericClient, Transaction};
use jiff::Timestamp;

use super::named::{execute, named, query, query_opt};
use super::row::number;
use super::tenants;
use crate::json::to_json;
use crate::rows::micros;
use crate::states::{CLAIMED, CLOSED, HAS_ALL_OUTCOMES, PROCESSING, READING};
use crate::{Chunk, LedgerError, MembersRead, OpenMember, RunId, UnprocessedReason};

/// A page whose run has advanced past it.
pub(super) struct Advanced<'a> {
    /// The position of the page among the pages that are added.
    index: usize,
    pub(super) page: &'a MembersRead<'a>,
    pub(super) first_ordinal: u64,
    pub(super) job: i64,
    pub(super) priority: i32,
}

/// Runs are locked by ascending number, whatever the order of their pages.
pub(super) async fn add_members(
    tx: &Transaction<'_>,
    pages: &[MembersRead<'_>],
) -> Result<Vec<Option<Vec<Chunk>>>, LedgerError> {
    let mut in_order: Vec<(usize, &MembersRead<'_>)> = pages.iter().enumerate().collect();
    in_order.sort_by_key(|(_, page)| page.run.id);
    let mut advanced = Vec::with_capacity(pages.len());
    for (index, page) in in_order {
        advanced.extend(advance_cursor(tx, index, page).await?);
    }
    let mut members: Vec<_> = advanced
        .iter()
        .flat_map(|run| &run.page.members)
        .map(|(number, name)| (*number, name))
        .collect();
    members.sort_unstable();
    members.dedup();
    if let Some(at) = pages.iter().map(|page| page.claim.at).max() {
        tenants::note_names(tx, &members, at).await?;
    }
    let mut added: Vec<Option<Vec<Chunk>>> = pages.iter().map(|_| None).collect();
    for run in advanced {
        added[run.index] = Some(insert_chunks(tx, &run).await?);
    }
    Ok(added)
}

/// Moves the run's cursor past this page, and closes the run if that was all of it; `None` if the
/// cursor stands elsewhere, because another agent has read the page.
pub(super) async fn advance_cursor<'a>(
    tx: &Transaction<'_>,
    index: usize,
    page: &'a MembersRead<'a>,
) -> Result<Option<Advanced<'a>>, LedgerError> {
    const IS_COMPLETE: &str = "succeeded + failed + skipped = members + unread + :members";
    let sql = format!(
        "UPDATE run
         SET cursor = :next_cursor::text,
             stated = :stated,
             members = members + :members,
             read_after = :read_at,
             read_faults = 0,
             state = CASE
                 WHEN :next_cursor::text IS NOT NULL THEN '{READING}'
                 WHEN {IS_COMPLETE} THEN '{CLOSED}'
                 ELSE '{PROCESSING}'
             END,
             closed_at = CASE
                 WHEN :next_cursor::text IS NULL AND {IS_COMPLETE} THEN :read_at::bigint
             END
         WHERE id = :run
             AND state = '{READING}'
             AND cursor IS NOT DISTINCT FROM :cursor::text
         RETURNING members - :members AS first_ordinal, job, priority"
    );
    let row = query_opt(
        tx,
        &sql,
        named! {
            run: page.run.id.0,
            cursor: page.run.cursor,
            next_cursor: page.next_cursor,
            stated: to_json(&page.stated),
            members: page.members.len() as i64,
            read_at: micros(page.claim.at),
        },
    )
    .await?;
    Ok(row.map(|row| Advanced {
        index,
        page,
        first_ordinal: number(&row, "first_ordinal"),
        job: row.get("job"),
        priority: row.get("priority"),
    }))
}

/// Inserts all chunks of a page by one statement.
async fn insert_chunks(
    tx: &Transaction<'_>,
    run: &Advanced<'_>,
) -> Result<Vec<Chunk>, LedgerError> {
    let (page, claim) = (run.page, &run.page.claim);
    let numbers: Vec<u64> = page.members.iter().map(|(number, _)| *number).collect();
    let ordinals = (run.first_ordinal..).step_by(page.chunk_size);
    let open: Vec<Vec<OpenMember>> = ordinals
        .zip(numbers.chunks(page.chunk_size))
        .map(|(first, numbers)| OpenMember::in_order(first, numbers))
        .collect();
    let column =
        |of: fn(&[OpenMember]) -> u64| open.iter().map(|open| of(open) as i64).collect::<Vec<_>>();
    let sql = format!(
        "INSERT INTO chunk (
             run, job, priority, first_tenant, last_tenant, first_ordinal, size, open_members,
             state, ready_at, attempt, holder, lease_until, token
         )
         SELECT
             :run, :job, :priority, new.first_tenant, new.last_tenant, new.first_ordinal, new.size,
             new.open_members,
             '{CLAIMED}', :ready_at, 0, :holder, :lease_until, :token
         FROM unnest(
             :first_tenants::bigint[], :last_tenants::bigint[], :first_ordinals::bigint[],
             :sizes::bigint[], :open_members::text[]
         ) WITH ORDINALITY AS new (
             first_tenant, last_tenant, first_ordinal, size, open_members, place
         )
         ORDER BY new.place
         RETURNING id, first_ordinal"
    );
    let rows = query(
        tx,
        &sql,
        named! {
            run: page.run.id.0,
            job: run.job,
            priority: run.priority,
            ready_at: micros(claim.at),
            holder: claim.holder,
            lease_until: micros(claim.lease_until),
            token: Chunk::FIRST_TOKEN,
            first_tenants: column(|open| open[0].number),
            last_tenants: column(|open| open[open.len() - 1].number),
            first_ordinals: column(|open| open[0].ordinal),
            sizes: column(|open| open.len() as u64),
            open_members: open.iter().map(to_json).collect::<Vec<_>>(),
        },
    )
    .await?;
    let ids: HashMap<u64, i64> =
        rows.iter().map(|row| (number(row, "first_ordinal"), row.get("id"))).collect();
    let chunk =
        |open: Vec<OpenMember>| Chunk::born_claimed(ids[&open[0].ordinal], page.run.id, open);
    Ok(open.into_iter().map(chunk).collect())
}

pub(super) async fn postpone_reading(
    db: &impl GenericClient,
    run: RunId,
    until: Timestamp,
) -> Result<(), LedgerError> {
    execute(
        db,
        "UPDATE run SET read_after = :until, read_faults = read_faults + 1 WHERE id = :run",
        named! { run: run.0, until: micros(until) },
    )
    .await?;
    Ok(())
}

pub(super) async fn give_up_reading(
    db: &impl GenericClient,
    run: RunId,
    reason: UnprocessedReason,
    unread: Option<u64>,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let Some(unread) = unread else {
        let note =
            format!("UPDATE run SET reason = :reason WHERE id = :run AND state = '{READING}'");
        execute(db, &note, named! { run: run.0, reason: reason.as_str() }).await?;
        return Ok(());
    };
    let unread_as = match reason {
        UnprocessedReason::Missed(_) => "missed = :unread",
        UnprocessedReason::JobPaused | UnprocessedReason::Canceled => {
            "skipped = skipped + :unread, unread = :unread"
        }
    };
    // The conditions see the run as it was before, when none of its members counted as unread.
    let end = format!(
        "UPDATE run
         SET reason = :reason,
             {unread_as},
             state = CASE WHEN {HAS_ALL_OUTCOMES} THEN '{CLOSED}' ELSE '{PROCESSING}' END,
             closed_at = CASE WHEN {HAS_ALL_OUTCOMES} THEN :now::bigint END
         WHERE id = :run AND state = '{READING}'"
    );
    let values = named! {
        run: run.0,
        reason: reason.as_str(),
        unread: unread as i64,
        now: micros(now),
    };
    execute(db, &end, values).await?;
    Ok(())
}
