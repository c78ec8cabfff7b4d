//! What operators do to runs, on SQLite.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use cohort_preferences::JobId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{SqliteLedger, lists, micros, parsed, to_json};
use crate::operations::{DeadLetter, DeadLetterQuery, OperationLedger, Requeue, Requeued};
use crate::{FailedReason, LedgerError, OpenMember, Run, RunId, UnprocessedReason};

#[async_trait]
impl OperationLedger for SqliteLedger {
    async fn cancel_run(&self, run: RunId, now: Timestamp) -> Result<Run, LedgerError> {
        self.db.write(move |tx| cancel_run(tx, run, now)).await
    }

    async fn canceled_runs(&self) -> Result<HashSet<RunId>, LedgerError> {
        self.db.read(canceled_runs).await
    }

    async fn dead_letters(
        &self,
        query: DeadLetterQuery,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, LedgerError> {
        self.db.read(move |tx| dead_letters(tx, &query, limit)).await
    }

    async fn requeue(&self, requeue: Requeue) -> Result<u64, LedgerError> {
        self.db.write(move |tx| self::requeue(tx, &requeue)).await
    }
}

fn cancel_run(tx: &Connection, id: RunId, now: Timestamp) -> Result<Run, LedgerError> {
    let run = lists::run(tx, id)?.ok_or(LedgerError::NoSuchRun(id))?;
    if !run.cancel_changes()? {
        return Ok(run);
    }
    tx.prepare_cached(
        "UPDATE run SET canceled_at = ?2, reason = iif(state = 'reading', coalesce(reason, ?3), \
         reason), read_after = min(read_after, ?2) WHERE id = ?1",
    )?
    .execute(params![id.0, micros(now), UnprocessedReason::Canceled.as_str()])?;
    tx.prepare_cached(
        "UPDATE chunk SET ready_at = ?2 WHERE run = ?1 AND state = 'ready' AND ready_at > ?2",
    )?
    .execute(params![id.0, micros(now)])?;
    lists::run(tx, id)?.ok_or(LedgerError::NoSuchRun(id))
}

fn canceled_runs(tx: &Connection) -> Result<HashSet<RunId>, LedgerError> {
    let mut statement = tx
        .prepare_cached("SELECT id FROM run WHERE state <> 'closed' AND canceled_at IS NOT NULL")?;
    let runs = statement.query_map([], |row| row.get(0).map(RunId))?;
    Ok(runs.collect::<Result<_, _>>()?)
}

fn dead_letters(
    tx: &Connection,
    query: &DeadLetterQuery,
    limit: usize,
) -> Result<Vec<DeadLetter>, LedgerError> {
    let mut statement = tx.prepare_cached(
        "SELECT o.run, o.ordinal, t.tenant_id
         FROM run r JOIN job j ON j.id = r.job CROSS JOIN outcome o ON o.run = r.id JOIN tenant t \
         ON t.number = o.tenant
         WHERE r.failed > 0 AND (?1 IS NULL OR r.id = ?1) AND (?2 IS NULL OR j.job_id = ?2) AND \
         (?3 IS NULL OR r.scheduled_at >= ?3)
           AND o.status = 1 AND o.finished_at <= ?4 AND (o.run, o.ordinal) > (?5, ?6) AND (?7 IS \
           NULL OR o.reason = ?7)
           AND (?8 IS NULL OR instr(o.detail, ?8) > 0) AND (?9 = '[]' OR t.tenant_id IN (SELECT \
           value FROM json_each(?9)))
         ORDER BY o.run, o.ordinal LIMIT ?10",
    )?;
    let (after_run, after_ordinal) =
        query.after.map_or((0, -1), |(run, ordinal)| (run.0, ordinal as i64));
    let parameters = params![
        query.run.map(|run| run.0),
        query.job.as_ref().map(JobId::as_str),
        query.since.map(micros),
        micros(query.failed_by),
        after_run,
        after_ordinal,
        query.reason.map(FailedReason::as_str),
        query.error,
        to_json(&query.tenants),
        limit as i64,
    ];
    let rows = statement.query_map(parameters, |row| {
        Ok(DeadLetter {
            run: RunId(row.get(0)?),
            ordinal: row.get::<_, i64>(1)? as u64,
            tenant_id: parsed(row, 2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn requeue(tx: &Connection, requeue: &Requeue) -> Result<u64, LedgerError> {
    let mut members: BTreeMap<RunId, Vec<OpenMember>> = BTreeMap::new();
    for (run, ordinal) in &requeue.places {
        if let Some(member) = requeue_outcome(tx, *run, *ordinal, requeue)? {
            members.entry(*run).or_default().push(member);
        }
    }
    for (run, members) in &members {
        let (job, priority) = reopen_run(tx, *run, members.len())?;
        for of_chunk in members.chunks(largest_chunk(tx, *run)?) {
            insert_requeued_chunk(tx, *run, (job, priority), of_chunk, requeue.at)?;
        }
    }
    Ok(members.values().map(|members| members.len() as u64).sum())
}

/// Leaves the failure where it is kept, and answers the member who is open again; `None` if the
/// outcome is no failure.
fn requeue_outcome(
    tx: &Connection,
    run: RunId,
    ordinal: u64,
    requeue: &Requeue,
) -> Result<Option<OpenMember>, LedgerError> {
    const COLUMNS: &str = "run, ordinal, tenant, chunk, status, reason, detail, attempts, \
        preference_version, stale, result, finished_at, settlement, key_nonce";
    tx.prepare_cached(&format!(
        "INSERT INTO requeued_outcome ({COLUMNS}) SELECT {COLUMNS} FROM outcome WHERE run = ?1 AND \
         ordinal = ?2 AND status = 1"
    ))?
    .execute(params![run.0, ordinal as i64])?;
    let member = tx
        .prepare_cached(
            "UPDATE outcome SET status = 3, key_nonce = coalesce(?3, key_nonce) WHERE run = ?1 AND \
             ordinal = ?2 AND status = 1
             RETURNING tenant, attempts, key_nonce",
        )?
        .query_row(params![run.0, ordinal as i64, requeue.key_nonce], |row| {
            let requeued = Requeued { at: requeue.at, attempts_before: row.get(1)?,
                key_nonce: row.get(2)? };
            Ok(OpenMember::requeued(ordinal, row.get::<_, i64>(0)? as u64, requeued))
        })
        .optional()?;
    Ok(member)
}

/// Opens a run again for so many who had failed, and answers its lane: job and priority.
fn reopen_run(tx: &Connection, run: RunId, members: usize) -> Result<(i64, i64), LedgerError> {
    let reopened = tx
        .prepare_cached(
            "UPDATE run SET failed = failed - ?2, state = iif(state = 'closed', 'processing', \
             state), closed_at = NULL, canceled_at = NULL
             WHERE id = ?1 AND (state = 'closed' OR canceled_at IS NULL) RETURNING job, priority",
        )?
        .query_row(params![run.0, members as i64], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    reopened.ok_or(LedgerError::RunIsBeingCanceled(run))
}

/// The size that the job's chunks had in this run.
fn largest_chunk(tx: &Connection, run: RunId) -> Result<usize, LedgerError> {
    let size: i64 = tx
        .prepare_cached("SELECT coalesce(max(size), 1) FROM chunk WHERE run = ?1")?
        .query_row([run.0], |row| row.get(0))?;
    Ok(size as usize)
}

fn insert_requeued_chunk(
    tx: &Connection,
    run: RunId,
    (job, priority): (i64, i64),
    members: &[OpenMember],
    at: Timestamp,
) -> Result<(), LedgerError> {
    let numbers = || members.iter().map(|member| member.number as i64);
    tx.prepare_cached(
        "INSERT INTO chunk (run, first_tenant, last_tenant, first_ordinal, size, state, priority, \
         ready_at, open_members, attempt, token, job)
         VALUES (?1, ?2, ?3, ?4, ?5, 'ready', ?6, ?7, ?8, 0, 0, ?9)",
    )?
    .execute(params![
        run.0,
        numbers().min(),
        numbers().max(),
        members.first().map(|member| member.ordinal as i64),
        members.len() as i64,
        priority,
        micros(at),
        to_json(&members),
        job,
    ])?;
    Ok(())
}
