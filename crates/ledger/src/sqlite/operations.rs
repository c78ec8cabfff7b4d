//! What operators do to runs, on SQLite (D6, D14).

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use cohort_preferences::JobId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, ToSql, named_params, params};

use super::row::{from_json_or_none, number};
use super::selection::{Values, count_open_runs, selected_open_runs};
use super::{SqliteLedger, definitions, runs};
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
impl OperationLedger for SqliteLedger {
    async fn cancel_run(&self, run: RunId, now: Timestamp) -> Result<Run, LedgerError> {
        self.db.write(move |tx| cancel_run(tx, run, now)).await
    }

    async fn cancel_runs(
        &self,
        selection: &Selection,
        now: Timestamp,
    ) -> Result<OpenRuns, LedgerError> {
        let values = Values::of(selection);
        self.db.write(move |tx| cancel_runs(tx, &values, now)).await
    }

    async fn stop(
        &self,
        jobs: &[JobId],
        selection: &Selection,
        now: Timestamp,
    ) -> Result<OpenRuns, LedgerError> {
        let (jobs, values) = (jobs.to_vec(), Values::of(selection));
        self.db
            .write(move |tx| {
                definitions::stop_jobs(tx, &jobs, now)?;
                cancel_runs(tx, &values, now)
            })
            .await
    }

    async fn canceled_runs(&self) -> Result<HashSet<RunId>, LedgerError> {
        self.db.read(canceled_runs).await
    }

    async fn requeue(&self, requeue: Requeue) -> Result<u64, LedgerError> {
        self.db.write(move |tx| self::requeue(tx, &requeue)).await
    }
}

fn cancel_run(tx: &Connection, id: RunId, now: Timestamp) -> Result<Run, LedgerError> {
    let run = runs::run(tx, id)?.ok_or(LedgerError::NoSuchRun(id))?;
    if !run.cancel_changes()? {
        return Ok(run);
    }
    let cancel = format!(
        "UPDATE run
         SET canceled_at = ?2,
             reason = iif(state = '{READING}', coalesce(reason, ?3), reason),
             read_after = min(read_after, ?2)
         WHERE id = ?1"
    );
    tx.prepare_cached(&cancel)?.execute(params![
        id.0,
        micros(now),
        UnprocessedReason::Canceled.as_str()
    ])?;
    let wake = format!(
        "UPDATE chunk SET ready_at = ?2 WHERE run = ?1 AND state = '{READY}' AND ready_at > ?2"
    );
    tx.prepare_cached(&wake)?.execute(params![id.0, micros(now)])?;
    runs::run(tx, id)?.ok_or(LedgerError::NoSuchRun(id))
}

fn cancel_runs(tx: &Connection, values: &Values, now: Timestamp) -> Result<OpenRuns, LedgerError> {
    let open = count_open_runs(tx, values)?;
    let (now, reason) = (micros(now), UnprocessedReason::Canceled.as_str());
    let runs = selected_open_runs();
    let cancel = format!(
        "UPDATE run
         SET canceled_at = :now,
             reason = iif(state = '{READING}', coalesce(reason, :canceled), reason),
             read_after = min(read_after, :now)
         WHERE id IN (
             SELECT r.id
             {runs}
         )"
    );
    let mut named = values.of_runs();
    named.extend([(":now", &now as &dyn ToSql), (":canceled", &reason)]);
    tx.prepare_cached(&cancel)?.execute(named.as_slice())?;
    let wake = format!(
        "UPDATE chunk
         SET ready_at = ?1
         WHERE state = '{READY}'
             AND ready_at > ?1
             AND run IN (
                 SELECT id FROM run WHERE state <> '{CLOSED}' AND canceled_at IS NOT NULL
             )"
    );
    tx.prepare_cached(&wake)?.execute([now])?;
    Ok(open)
}

fn canceled_runs(tx: &Connection) -> Result<HashSet<RunId>, LedgerError> {
    let mut statement = tx.prepare_cached(&format!(
        "SELECT id FROM run WHERE state <> '{CLOSED}' AND canceled_at IS NOT NULL"
    ))?;
    let runs = statement.query_map([], |row| row.get("id").map(RunId))?;
    Ok(runs.collect::<Result<_, _>>()?)
}

fn requeue(tx: &Connection, requeue: &Requeue) -> Result<u64, LedgerError> {
    let mut members: BTreeMap<RunId, Vec<OpenMember>> = BTreeMap::new();
    for (run, ordinal) in &requeue.places {
        if let Some(member) = requeue_outcome(tx, *run, *ordinal, requeue)? {
            members.entry(*run).or_default().push(member);
        }
    }
    for (run, members) in &members {
        let lane = reopen_run(tx, *run, members.len())?;
        for of_chunk in members.chunks(largest_chunk(tx, *run)?) {
            insert_ready_chunk(tx, *run, &lane, of_chunk, requeue.at)?;
        }
    }
    Ok(members.values().map(|members| members.len() as u64).sum())
}

/// Keeps the failure beside the outcome, and returns the member who is open again; `None` if the
/// outcome is no failure.
fn requeue_outcome(
    tx: &Connection,
    run: RunId,
    ordinal: u64,
    requeue: &Requeue,
) -> Result<Option<OpenMember>, LedgerError> {
    tx.prepare_cached(&format!(
        "INSERT INTO requeued_outcome ({KEPT_BY_REQUEUE})
         SELECT {KEPT_BY_REQUEUE}
         FROM outcome
         WHERE run = ?1 AND ordinal = ?2 AND status = {FAILED}"
    ))?
    .execute(params![run.0, ordinal as i64])?;
    let member = tx
        .prepare_cached(&format!(
            "UPDATE outcome
             SET status = {REQUEUED}, key_nonce = coalesce(?3, key_nonce)
             WHERE run = ?1 AND ordinal = ?2 AND status = {FAILED}
             RETURNING tenant, attempts, key_nonce, repeats"
        ))?
        .query_row(params![run.0, ordinal as i64, requeue.key_nonce], |row| {
            let requeued = Requeued {
                at: requeue.at,
                attempts_before: row.get("attempts")?,
                key_nonce: row.get("key_nonce")?,
            };
            let repeats = from_json_or_none(row, "repeats")?;
            Ok(OpenMember::requeued(ordinal, number(row, "tenant")?, requeued, repeats))
        })
        .optional()?;
    Ok(member)
}

/// Opens a run again for so many members who had failed, and returns its lane.
fn reopen_run(tx: &Connection, run: RunId, members: usize) -> Result<LaneOfRun, LedgerError> {
    let sql = format!(
        "UPDATE run
         SET failed = failed - ?2,
             state = iif(state = '{CLOSED}', '{PROCESSING}', state),
             closed_at = NULL,
             canceled_at = NULL
         WHERE id = ?1 AND (state = '{CLOSED}' OR canceled_at IS NULL)
         RETURNING job, priority"
    );
    let reopened = tx.prepare_cached(&sql)?.query_row(params![run.0, members as i64], |row| {
        Ok(LaneOfRun { job: row.get("job")?, priority: row.get("priority")? })
    });
    reopened.optional()?.ok_or(LedgerError::RunIsBeingCanceled(run))
}

/// The size that the job's chunks had in this run.
fn largest_chunk(tx: &Connection, run: RunId) -> Result<usize, LedgerError> {
    let size = tx
        .prepare_cached("SELECT coalesce(max(size), 1) AS size FROM chunk WHERE run = ?1")?
        .query_row([run.0], |row| number(row, "size"))?;
    Ok(size as usize)
}

/// Inserts a chunk of these members that waits to be claimed.
pub(super) fn insert_ready_chunk(
    tx: &Connection,
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
    tx.prepare_cached(&sql)?.execute(named_params! {
        ":run": run.0,
        ":job": lane.job,
        ":priority": lane.priority,
        ":first_tenant": numbers().min(),
        ":last_tenant": numbers().max(),
        ":first_ordinal": members.first().map(|member| member.ordinal as i64),
        ":size": members.len() as i64,
        ":open_members": to_json(members),
        ":ready_at": micros(at),
    })?;
    Ok(())
}
