//! Has work done again, on SQLite (D13).

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, ToSql, named_params, params};

use super::members::close_if_complete;
use super::operations::{LaneOfRun, insert_ready_chunk};
use super::row::{from_json, number, parsed};
use super::selection::{BEFORE_PLACE, Named, Values, place_before, selected_work};
use super::{SqliteLedger, jobs, runs};
use crate::json::to_json;
use crate::rerun::{
    NewRerun, RepeatedMember, RepeatedPage, RerunLedger, cursor_after, read_cursor,
};
use crate::retention::SEEN_AGAIN_AFTER;
use crate::rows::micros;
use crate::states::READING;
use crate::{LedgerError, OpenMember, Repeated, Run, RunId, RunState, Selection};

#[async_trait]
impl RerunLedger for SqliteLedger {
    async fn open_reruns(
        &self,
        reruns: Vec<NewRerun>,
        now: Timestamp,
    ) -> Result<Vec<RunId>, LedgerError> {
        self.db.write(move |tx| open_reruns(tx, &reruns, now)).await
    }

    async fn repeated_page(&self, run: &Run, limit: usize) -> Result<RepeatedPage, LedgerError> {
        let run = run.clone();
        self.db.read(move |tx| repeated_page(tx, &run, limit)).await
    }

    async fn queue_repeated(
        &self,
        run: &Run,
        page: RepeatedPage,
        chunk_size: usize,
        now: Timestamp,
    ) -> Result<Option<u64>, LedgerError> {
        let run = run.clone();
        self.db.write(move |tx| queue_repeated(tx, &run, &page, chunk_size, now)).await
    }

    async fn unread_of_rerun(&self, run: &Run) -> Result<u64, LedgerError> {
        let run = run.clone();
        self.db.read(move |tx| unread_of_rerun(tx, &run)).await
    }
}

fn open_reruns(
    tx: &Connection,
    reruns: &[NewRerun],
    now: Timestamp,
) -> Result<Vec<RunId>, LedgerError> {
    for NewRerun { job, run, selection } in reruns {
        let job = jobs::number_of(tx, job)?;
        if let Some(opened) = runs::open_run(tx, job, run, now)? {
            tx.prepare_cached("UPDATE run SET selection = ?2 WHERE id = ?1")?
                .execute(params![opened.0, to_json(selection)])?;
        }
    }
    let Some(first) = reruns.first() else { return Ok(Vec::new()) };
    let mut named = tx.prepare_cached("SELECT id FROM run WHERE nominal = ?1 ORDER BY id")?;
    let runs = named
        .query_map([first.run.occurrence.nominal.to_string()], |row| row.get("id").map(RunId))?;
    Ok(runs.collect::<Result<_, _>>()?)
}

fn repeated_page(tx: &Connection, run: &Run, limit: usize) -> Result<RepeatedPage, LedgerError> {
    let values = Values::of(&selection_of(tx, run.id)?);
    let work = selected_work();
    let mut statement = tx.prepare_cached(&format!(
        "SELECT o.run, o.ordinal, o.tenant, r.nominal, r.timezone, o.key_nonce
         {work}
             AND {BEFORE_PLACE}
         ORDER BY r.id DESC, o.ordinal DESC
         LIMIT :limit"
    ))?;
    let (before, limit_of_sql) = (place_before(read_cursor(run)?), limit as i64);
    let mut named = before_place(&values, &before);
    named.push((":limit", &limit_of_sql));
    let rows = statement.query_map(named.as_slice(), |row| {
        let repeats = Repeated {
            nominal: parsed(row, "nominal")?,
            timezone: row.get("timezone")?,
            key_nonce: row.get("key_nonce")?,
        };
        let member = RepeatedMember { number: number(row, "tenant")?, repeats };
        Ok(((row.get("run")?, row.get("ordinal")?), member))
    })?;
    let (places, members): (Vec<_>, Vec<_>) =
        rows.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    Ok(RepeatedPage { members, next_cursor: cursor_after(&places, limit) })
}

fn before_place<'a>(values: &'a Values, (run, ordinal): &'a (i64, i64)) -> Named<'a> {
    let mut named = values.of_work();
    named.extend([(":before_run", run as &dyn ToSql), (":before_ordinal", ordinal)]);
    named
}

/// Whose work a rerun does again.
fn selection_of(tx: &Connection, run: RunId) -> Result<Selection, LedgerError> {
    let selection = tx
        .prepare_cached("SELECT selection FROM run WHERE id = ?1 AND selection IS NOT NULL")?
        .query_row([run.0], |row| from_json(row, "selection"))
        .optional()?;
    selection.ok_or_else(|| LedgerError::Corrupt(format!("rerun {run} selects nothing")))
}

fn queue_repeated(
    tx: &Connection,
    run: &Run,
    page: &RepeatedPage,
    chunk_size: usize,
    now: Timestamp,
) -> Result<Option<u64>, LedgerError> {
    let Some((first_ordinal, lane)) = advance_cursor(tx, run, page, now)? else {
        return Ok(None);
    };
    let mut members = Vec::with_capacity(page.members.len());
    for (ordinal, member) in (first_ordinal..).zip(new_members(tx, run.id, page, now)?) {
        members.push(OpenMember::repeating(ordinal, member.number, member.repeats.clone()));
    }
    tx.prepare_cached("UPDATE run SET members = members + ?2 WHERE id = ?1")?
        .execute(params![run.id.0, members.len() as i64])?;
    for of_chunk in members.chunks(chunk_size) {
        insert_ready_chunk(tx, run.id, &lane, of_chunk, now)?;
    }
    close_if_complete(tx, run.id, now)?;
    Ok(Some(members.len() as u64))
}

/// Moves the rerun's cursor past this page, and returns the place of its first member and its lane;
/// `None` if another agent has read the page, or if the run was canceled.
fn advance_cursor(
    tx: &Connection,
    run: &Run,
    page: &RepeatedPage,
    now: Timestamp,
) -> Result<Option<(u64, LaneOfRun)>, LedgerError> {
    let sql = format!(
        "UPDATE run
         SET cursor = :next_cursor, state = :state, read_after = :now, read_faults = 0
         WHERE id = :run AND state = '{READING}' AND reason IS NULL AND cursor IS :cursor
         RETURNING members, job, priority"
    );
    let parameters = named_params! {
        ":run": run.id.0,
        ":cursor": run.cursor,
        ":next_cursor": page.next_cursor,
        ":state": RunState::after_page(page.next_cursor.is_some()).as_str(),
        ":now": micros(now),
    };
    let moved = tx.prepare_cached(&sql)?.query_row(parameters, |row| {
        let lane = LaneOfRun { job: row.get("job")?, priority: row.get("priority")? };
        Ok((number(row, "members")?, lane))
    });
    Ok(moved.optional()?)
}

/// Those of a page who are not in the rerun yet; each is noted to be, and their names to be in use.
fn new_members<'a>(
    tx: &Connection,
    run: RunId,
    page: &'a RepeatedPage,
    now: Timestamp,
) -> Result<Vec<&'a RepeatedMember>, LedgerError> {
    let mut note = tx.prepare_cached(
        "INSERT INTO rerun_member (run, tenant) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    )?;
    let mut see =
        tx.prepare_cached("UPDATE tenant SET seen_at = ?2 WHERE number = ?1 AND seen_at < ?3")?;
    let (seen_at, seen_before) = (micros(now), micros(now - SEEN_AGAIN_AFTER));
    let mut new = Vec::with_capacity(page.members.len());
    for member in &page.members {
        let number = member.number as i64;
        if note.execute(params![run.0, number])? == 1 {
            see.execute(params![number, seen_at, seen_before])?;
            new.push(member);
        }
    }
    Ok(new)
}

fn unread_of_rerun(tx: &Connection, run: &Run) -> Result<u64, LedgerError> {
    let values = Values::of(&selection_of(tx, run.id)?);
    let work = selected_work();
    let sql = format!(
        "SELECT count(DISTINCT o.tenant) AS unread
         {work}
             AND {BEFORE_PLACE}
             AND NOT EXISTS (
                 SELECT 1 FROM rerun_member m WHERE m.run = :rerun AND m.tenant = o.tenant
             )"
    );
    let before = place_before(read_cursor(run)?);
    let mut named = before_place(&values, &before);
    named.push((":rerun", &run.id.0));
    let unread =
        tx.prepare_cached(&sql)?.query_row(named.as_slice(), |row| number(row, "unread"))?;
    Ok(unread)
}
