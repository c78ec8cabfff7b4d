//! What operators do to runs, on PostgreSQL (D6, D14).

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use cohort_database::statement::query as query_by_place;
use cohort_database::{GenericClient, Transaction};
use cohort_preferences::JobId;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::named::{execute, named, query, query_one, query_opt};
use super::row::{from_json_or_none, number, small_number};
use super::selection::{Values, count_open_runs};
use super::{PostgresLedger, definitions, news, runs};
use crate::columns::KEPT_BY_REQUEUE;
use crate::json::to_json;
use crate::operations::{OperationLedger, Requeue};
use crate::rows::micros;
use crate::states::{CLOSED, FAILED, PROCESSING, READING, READY, REQUEUED};
use crate::{
    LedgerError, OpenMember, OpenRuns, Requeued, Run, RunId, Selection, UnprocessedReason,
};

/// The lane in which the chunks of a run wait.
pub(super) struct LaneOfRun {
    pub(super) job: i64,
    pub(super) priority: i32,
}

#[async_trait]
impl OperationLedger for PostgresLedger {
    async fn cancel_run(&self, run: RunId, now: Timestamp) -> Result<Run, LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        let canceled = cancel_run(&tx, run, now).await?;
        news::tell(&tx, self.db.schema(), Some(run)).await?;
        tx.commit().await?;
        Ok(canceled)
    }

    async fn cancel_runs(
        &self,
        selection: &Selection,
        now: Timestamp,
    ) -> Result<OpenRuns, LedgerError> {
        self.stop(&[], selection, now).await
    }

    async fn stop(
        &self,
        jobs: &[JobId],
        selection: &Selection,
        now: Timestamp,
    ) -> Result<OpenRuns, LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        definitions::stop_jobs(&tx, jobs, now).await?;
        let (canceled, open) = cancel_runs(&tx, selection, now).await?;
        news::tell(&tx, self.db.schema(), canceled.first().copied().map(RunId)).await?;
        tx.commit().await?;
        Ok(open)
    }

    async fn canceled_runs(&self) -> Result<HashSet<RunId>, LedgerError> {
        canceled_runs(&*self.connection().await?).await
    }

    async fn requeue(&self, requeue: Requeue) -> Result<u64, LedgerError> {
        let mut connection = self.connection().await?;
        let tx = connection.transaction().await?;
        let requeued = self::requeue(&tx, &requeue).await?;
        news::tell(&tx, self.db.schema(), requeue.places.first().map(|(run, _)| *run)).await?;
        tx.commit().await?;
        Ok(requeued)
    }
}

/// Chunks come first, since rows of chunks are locked before those of runs. A run that another
/// agent has closed or canceled meanwhile stays as it is.
async fn cancel_run(tx: &Transaction<'_>, id: RunId, now: Timestamp) -> Result<Run, LedgerError> {
    let run = runs::run(tx, id).await?.ok_or(LedgerError::NoSuchRun(id))?;
    if !run.cancel_changes()? {
        return Ok(run);
    }
    let wake = format!(
        "UPDATE chunk
         SET ready_at = :now
         FROM (
             SELECT id
             FROM chunk
             WHERE run = :run AND state = '{READY}' AND ready_at > :now
             ORDER BY id
             FOR UPDATE
         ) held
         WHERE held.id = chunk.id AND state = '{READY}' AND ready_at > :now"
    );
    execute(tx, &wake, named! { run: id.0, now: micros(now) }).await?;
    let cancel = format!(
        "UPDATE run
         SET canceled_at = :now,
             reason = CASE WHEN state = '{READING}' THEN coalesce(reason, :reason) ELSE reason END,
             read_after = least(read_after, :now)
         WHERE id = :run AND canceled_at IS NULL AND state <> '{CLOSED}'"
    );
    let values = named! {
        run: id.0,
        now: micros(now),
        reason: UnprocessedReason::Canceled.as_str(),
    };
    execute(tx, &cancel, values).await?;
    let run = runs::run(tx, id).await?.ok_or(LedgerError::NoSuchRun(id))?;
    // By now it is canceled, unless it was closed meanwhile.
    run.cancel_changes().map(|_canceled| run)
}

/// Cancels all that is selected. Chunks come first, as for one run; runs are locked by number, so
/// that two operators never wait for each other. Whoever opens a run of a stopped job has locked
/// the job: the run is seen here, or is held where it is opened.
async fn cancel_runs(
    tx: &Transaction<'_>,
    selection: &Selection,
    now: Timestamp,
) -> Result<(Vec<i64>, OpenRuns), LedgerError> {
    let values = Values::of(selection);
    let open = count_open_runs(tx, &values).await?;
    let runs = open_runs(tx, &values).await?;
    let wake = format!(
        "UPDATE chunk
         SET ready_at = :now
         FROM (
             SELECT id
             FROM chunk
             WHERE run = ANY(:runs) AND state = '{READY}' AND ready_at > :now
             ORDER BY id
             FOR UPDATE
         ) held
         WHERE held.id = chunk.id AND state = '{READY}' AND ready_at > :now"
    );
    execute(tx, &wake, named! { runs: runs, now: micros(now) }).await?;
    let cancel = format!(
        "UPDATE run
         SET canceled_at = :now,
             reason = CASE
                 WHEN run.state = '{READING}' THEN coalesce(run.reason, :reason)
                 ELSE run.reason
             END,
             read_after = least(run.read_after, :now)
         FROM (SELECT id FROM run WHERE id = ANY(:runs) ORDER BY id FOR UPDATE) held
         WHERE held.id = run.id AND run.canceled_at IS NULL AND run.state <> '{CLOSED}'"
    );
    let reason = UnprocessedReason::Canceled.as_str();
    execute(tx, &cancel, named! { runs: runs, now: micros(now), reason: reason }).await?;
    Ok((runs, open))
}

async fn open_runs(db: &impl GenericClient, values: &Values<'_>) -> Result<Vec<i64>, LedgerError> {
    let conditions = values.of_open_runs();
    let restricted = conditions.sql();
    let sql = format!(
        "SELECT r.id
         FROM run r
         JOIN job j ON j.id = r.job
         {restricted}
         ORDER BY r.id"
    );
    let rows = query_by_place(db, &sql, conditions.bound()).await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

async fn canceled_runs(db: &impl GenericClient) -> Result<HashSet<RunId>, LedgerError> {
    let sql = format!("SELECT id FROM run WHERE state <> '{CLOSED}' AND canceled_at IS NOT NULL");
    Ok(query(db, &sql, &[]).await?.iter().map(|row| RunId(row.get("id"))).collect())
}

async fn requeue(tx: &Transaction<'_>, requeue: &Requeue) -> Result<u64, LedgerError> {
    lock_runs(tx, requeue).await?;
    let members = requeue_outcomes(tx, requeue).await?;
    for (run, members) in &members {
        let lane = reopen_run(tx, *run, members.len()).await?;
        for of_chunk in members.chunks(largest_chunk(tx, *run).await?) {
            insert_ready_chunk(tx, *run, &lane, of_chunk, requeue.at).await?;
        }
    }
    Ok(members.values().map(|members| members.len() as u64).sum())
}

/// Rows of runs are locked before those of their outcomes, as when outcomes are recorded.
async fn lock_runs(tx: &Transaction<'_>, requeue: &Requeue) -> Result<(), LedgerError> {
    let runs: Vec<i64> = requeue.places.iter().map(|(run, _)| run.0).collect();
    let lock = "SELECT FROM run WHERE id = ANY(:runs) ORDER BY id FOR UPDATE";
    execute(tx, lock, named! { runs: runs }).await?;
    Ok(())
}

/// Keeps the failures beside the outcomes, and returns the members who are open again. An outcome
/// that is no failure stays.
async fn requeue_outcomes(
    tx: &Transaction<'_>,
    requeue: &Requeue,
) -> Result<BTreeMap<RunId, Vec<OpenMember>>, LedgerError> {
    let (runs, ordinals): (Vec<i64>, Vec<i64>) =
        requeue.places.iter().map(|(run, ordinal)| (run.0, *ordinal as i64)).unzip();
    let sql = format!(
        "WITH failed AS (
             SELECT outcome.*
             FROM outcome
             JOIN (
                 SELECT DISTINCT * FROM unnest(:runs::bigint[], :ordinals::bigint[])
             ) AS place (run, ordinal)
                 ON outcome.run = place.run AND outcome.ordinal = place.ordinal
             WHERE status = {FAILED}
         ),
         kept AS (
             INSERT INTO requeued_outcome ({KEPT_BY_REQUEUE})
             SELECT {KEPT_BY_REQUEUE} FROM failed
         )
         UPDATE outcome
         SET status = {REQUEUED}, key_nonce = coalesce(:key_nonce, outcome.key_nonce)
         FROM failed
         WHERE outcome.run = failed.run AND outcome.ordinal = failed.ordinal
         RETURNING outcome.run, outcome.ordinal, outcome.tenant, outcome.attempts,
             outcome.key_nonce, outcome.repeats"
    );
    let values = named! { runs: runs, ordinals: ordinals, key_nonce: requeue.key_nonce };
    let mut members: BTreeMap<RunId, Vec<OpenMember>> = BTreeMap::new();
    for row in &query(tx, &sql, values).await? {
        let member = read_requeued(row, requeue.at)?;
        members.entry(RunId(row.get("run"))).or_default().push(member);
    }
    for members in members.values_mut() {
        members.sort_by_key(|member| member.ordinal);
    }
    Ok(members)
}

fn read_requeued(row: &Row, at: Timestamp) -> Result<OpenMember, LedgerError> {
    let requeued = Requeued {
        at,
        attempts_before: small_number(row, "attempts"),
        key_nonce: row.get("key_nonce"),
    };
    let (ordinal, tenant) = (number(row, "ordinal"), number(row, "tenant"));
    let repeats = from_json_or_none(row, "repeats")?;
    Ok(OpenMember::requeued(ordinal, tenant, requeued, repeats))
}

/// Opens a run again for so many members who had failed, and returns its lane.
async fn reopen_run(
    tx: &Transaction<'_>,
    run: RunId,
    members: usize,
) -> Result<LaneOfRun, LedgerError> {
    let sql = format!(
        "UPDATE run
         SET failed = failed - :members,
             state = CASE WHEN state = '{CLOSED}' THEN '{PROCESSING}' ELSE state END,
             closed_at = NULL,
             canceled_at = NULL
         WHERE id = :run AND (state = '{CLOSED}' OR canceled_at IS NULL)
         RETURNING job, priority"
    );
    let reopened = query_opt(tx, &sql, named! { run: run.0, members: members as i64 }).await?;
    reopened
        .map(|row| LaneOfRun { job: row.get("job"), priority: row.get("priority") })
        .ok_or(LedgerError::RunIsBeingCanceled(run))
}

/// The size that the job's chunks had in this run.
async fn largest_chunk(tx: &Transaction<'_>, run: RunId) -> Result<usize, LedgerError> {
    let sql = "SELECT coalesce(max(size), 1) AS size FROM chunk WHERE run = :run";
    Ok(number(&query_one(tx, sql, named! { run: run.0 }).await?, "size") as usize)
}

/// Inserts a chunk of these members that waits to be claimed.
pub(super) async fn insert_ready_chunk(
    tx: &Transaction<'_>,
    run: RunId,
    lane: &LaneOfRun,
    members: &[OpenMember],
    at: Timestamp,
) -> Result<(), LedgerError> {
    let numbers = || members.iter().map(|member| member.number as i64);
    let sql = format!(
        "INSERT INTO chunk (
             run, job, priority, first_tenant, last_tenant, first_ordinal, size, open_members,
             state, ready_at, attempt, token
         )
         VALUES (
             :run, :job, :priority, :first_tenant, :last_tenant, :first_ordinal, :size,
             :open_members,
             '{READY}', :ready_at, 0, 0
         )"
    );
    let values = named! {
        run: run.0,
        job: lane.job,
        priority: lane.priority,
        first_tenant: numbers().min(),
        last_tenant: numbers().max(),
        first_ordinal: members.first().map(|member| member.ordinal as i64),
        size: members.len() as i64,
        open_members: to_json(members),
        ready_at: micros(at),
    };
    execute(tx, &sql, values).await?;
    Ok(())
}
