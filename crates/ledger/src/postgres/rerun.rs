//! Has work done again, on PostgreSQL (D13).

use std::collections::HashSet;

use async_trait::async_trait;
use cohort_database::statement::{query as query_by_place, query_one as query_one_by_place};
use cohort_database::{GenericClient, Transaction};
use jiff::Timestamp;

use super::named::{execute, named, query, query_opt};
use super::operations::{LaneOfRun, insert_ready_chunk};
use super::row::{from_json, number, parsed};
use super::selection::Values;
use super::{PostgresLedger, jobs, news, runs};
use crate::columns::RUN_JOB_TENANT;
use crate::json::to_json;
use crate::rerun::{
    NewRerun, RepeatedMember, RepeatedPage, RerunLedger, cursor_after, read_cursor,
};
use crate::retention::SEEN_AGAIN_AFTER;
use crate::rows::micros;
use crate::states::{CLOSED, HAS_ALL_OUTCOMES, PROCESSING, READING};
use crate::{LedgerError, OpenMember, Repeated, Run, RunId, RunState, Selection};

#[async_trait]
impl RerunLedger for PostgresLedger {
    async fn open_reruns(
        &self,
        reruns: Vec<NewRerun>,
        now: Timestamp,
    ) -> Result<Vec<RunId>, LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        let runs = open_reruns(&tx, &reruns, now).await?;
        news::tell(&tx, self.db.schema(), runs.first().copied()).await?;
        tx.commit().await?;
        Ok(runs)
    }

    async fn repeated_page(&self, run: &Run, limit: usize) -> Result<RepeatedPage, LedgerError> {
        repeated_page(&*self.connection().await?, run, limit).await
    }

    async fn queue_repeated(
        &self,
        run: &Run,
        page: RepeatedPage,
        chunk_size: usize,
        now: Timestamp,
    ) -> Result<Option<u64>, LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        let queued = queue_repeated(&tx, run, &page, chunk_size, now).await?;
        news::tell(&tx, self.db.schema(), queued.map(|_members| run.id)).await?;
        tx.commit().await?;
        Ok(queued)
    }

    async fn unread_of_rerun(&self, run: &Run) -> Result<u64, LedgerError> {
        unread_of_rerun(&*self.connection().await?, run).await
    }
}

async fn open_reruns(
    tx: &Transaction<'_>,
    reruns: &[NewRerun],
    now: Timestamp,
) -> Result<Vec<RunId>, LedgerError> {
    for NewRerun { job, run, selection } in reruns {
        let job = jobs::number_of(tx, job).await?;
        if let Some(opened) = runs::open_run(tx, job, run, now).await? {
            let note = "UPDATE run SET selection = :selection WHERE id = :run";
            execute(tx, note, named! { run: opened.0, selection: to_json(selection) }).await?;
        }
    }
    let Some(first) = reruns.first() else { return Ok(Vec::new()) };
    let nominal = first.run.occurrence.nominal.to_string();
    let sql = "SELECT id FROM run WHERE nominal = :nominal ORDER BY id";
    let rows = query(tx, sql, named! { nominal: nominal }).await?;
    Ok(rows.iter().map(|row| RunId(row.get("id"))).collect())
}

async fn repeated_page(
    db: &impl GenericClient,
    run: &Run,
    limit: usize,
) -> Result<RepeatedPage, LedgerError> {
    let selection = selection_of(db, run.id).await?;
    let (values, most) = (Values::of(&selection), limit as i64);
    let before = read_cursor(run)?.map(|(run, ordinal)| (run.0, ordinal as i64));
    let mut conditions = values.of_work();
    conditions.add_before("(o.run, o.ordinal)", before.as_ref());
    let most = conditions.place_of(&most);
    let restricted = conditions.sql();
    let sql = format!(
        "SELECT o.run, o.ordinal, o.tenant, r.nominal, r.timezone, o.key_nonce
         FROM outcome o {RUN_JOB_TENANT}
         {restricted}
         ORDER BY o.run DESC, o.ordinal DESC
         LIMIT {most}"
    );
    let rows = query_by_place(db, &sql, conditions.bound()).await?;
    let places: Vec<(i64, i64)> =
        rows.iter().map(|row| (row.get("run"), row.get("ordinal"))).collect();
    let members = rows.iter().map(|row| {
        let repeats = Repeated {
            nominal: parsed(row, "nominal")?,
            timezone: row.get("timezone"),
            key_nonce: row.get("key_nonce"),
        };
        Ok(RepeatedMember { number: number(row, "tenant"), repeats })
    });
    let members = members.collect::<Result<_, LedgerError>>()?;
    Ok(RepeatedPage { members, next_cursor: cursor_after(&places, limit) })
}

/// Whose work a rerun does again.
async fn selection_of(db: &impl GenericClient, run: RunId) -> Result<Selection, LedgerError> {
    let sql = "SELECT selection FROM run WHERE id = :run AND selection IS NOT NULL";
    match query_opt(db, sql, named! { run: run.0 }).await? {
        Some(row) => from_json(&row, "selection"),
        None => Err(LedgerError::Corrupt(format!("rerun {run} selects nothing"))),
    }
}

async fn queue_repeated(
    tx: &Transaction<'_>,
    run: &Run,
    page: &RepeatedPage,
    chunk_size: usize,
    now: Timestamp,
) -> Result<Option<u64>, LedgerError> {
    let Some((first_ordinal, lane)) = advance_cursor(tx, run, page, now).await? else {
        return Ok(None);
    };
    let mut members = Vec::with_capacity(page.members.len());
    for (ordinal, member) in (first_ordinal..).zip(new_members(tx, run.id, page, now).await?) {
        members.push(OpenMember::repeating(ordinal, member.number, member.repeats.clone()));
    }
    let count = "UPDATE run SET members = members + :members WHERE id = :run";
    execute(tx, count, named! { run: run.id.0, members: members.len() as i64 }).await?;
    for of_chunk in members.chunks(chunk_size) {
        insert_ready_chunk(tx, run.id, &lane, of_chunk, now).await?;
    }
    close_if_complete(tx, run.id, now).await?;
    Ok(Some(members.len() as u64))
}

/// Moves the rerun's cursor past this page, and returns the place of its first member and its lane;
/// `None` if another agent has read the page, or if the run was canceled.
async fn advance_cursor(
    tx: &Transaction<'_>,
    run: &Run,
    page: &RepeatedPage,
    now: Timestamp,
) -> Result<Option<(u64, LaneOfRun)>, LedgerError> {
    let sql = format!(
        "UPDATE run
         SET cursor = :next_cursor, state = :state, read_after = :now, read_faults = 0
         WHERE id = :run
             AND state = '{READING}'
             AND reason IS NULL
             AND cursor IS NOT DISTINCT FROM :cursor::text
         RETURNING members, job, priority"
    );
    let values = named! {
        run: run.id.0,
        cursor: run.cursor,
        next_cursor: page.next_cursor,
        state: RunState::after_page(page.next_cursor.is_some()).as_str(),
        now: micros(now),
    };
    let row = query_opt(tx, &sql, values).await?;
    Ok(row.map(|row| {
        let lane = LaneOfRun { job: row.get("job"), priority: row.get("priority") };
        (number(&row, "members"), lane)
    }))
}

/// Those of a page who are not in the rerun yet; each is noted to be, and their names to be in use.
async fn new_members<'a>(
    tx: &Transaction<'_>,
    run: RunId,
    page: &'a RepeatedPage,
    now: Timestamp,
) -> Result<Vec<&'a RepeatedMember>, LedgerError> {
    let mut numbers: Vec<i64> = page.members.iter().map(|member| member.number as i64).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let note = "INSERT INTO rerun_member (run, tenant)
         SELECT :run::bigint, new.tenant FROM unnest(:tenants::bigint[]) AS new (tenant)
         ON CONFLICT DO NOTHING
         RETURNING tenant";
    let rows = query(tx, note, named! { run: run.0, tenants: numbers }).await?;
    let mut noted: HashSet<u64> = rows.iter().map(|row| number(row, "tenant")).collect();
    let see = "UPDATE tenant
         SET seen_at = :seen_at
         FROM (
             SELECT number
             FROM tenant
             WHERE number = ANY(:tenants) AND seen_at < :seen_before
             ORDER BY number
             FOR UPDATE
         ) held
         WHERE held.number = tenant.number";
    let values = named! {
        seen_at: micros(now),
        tenants: numbers,
        seen_before: micros(now - SEEN_AGAIN_AFTER),
    };
    execute(tx, see, values).await?;
    // The first of a user's work in the page is the newest.
    Ok(page.members.iter().filter(|member| noted.remove(&member.number)).collect())
}

/// Closes a rerun whose members are all read and have all their outcomes, as one without any (D2).
async fn close_if_complete(
    tx: &Transaction<'_>,
    run: RunId,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let close = format!(
        "UPDATE run
         SET state = '{CLOSED}', closed_at = :now
         WHERE id = :run AND state = '{PROCESSING}' AND {HAS_ALL_OUTCOMES}"
    );
    execute(tx, &close, named! { run: run.0, now: micros(now) }).await?;
    Ok(())
}

async fn unread_of_rerun(db: &impl GenericClient, run: &Run) -> Result<u64, LedgerError> {
    let selection = selection_of(db, run.id).await?;
    let values = Values::of(&selection);
    let before = read_cursor(run)?.map(|(run, ordinal)| (run.0, ordinal as i64));
    let mut conditions = values.of_work();
    conditions.add_before("(o.run, o.ordinal)", before.as_ref());
    let rerun = conditions.place_of(&run.id.0);
    conditions.add_plain(&format!(
        "NOT EXISTS (SELECT FROM rerun_member m WHERE m.run = {rerun} AND m.tenant = o.tenant)"
    ));
    let restricted = conditions.sql();
    let sql = format!(
        "SELECT count(DISTINCT o.tenant) AS unread
         FROM outcome o {RUN_JOB_TENANT}
         {restricted}"
    );
    Ok(number(&query_one_by_place(db, &sql, conditions.bound()).await?, "unread"))
}
