//! What operators do to runs, on PostgreSQL.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use cohort_database::statement::{execute, query, query_one, query_opt};
use cohort_database::{GenericClient, Transaction};
use cohort_preferences::{JobId, TenantId};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::conditions::Conditions;
use super::{PostgresLedger, lists, micros, news, parsed};
use crate::json::to_json;
use crate::operations::{DeadLetter, DeadLetterQuery, OperationLedger, Requeue, Requeued};
use crate::{FailedReason, LedgerError, OpenMember, Run, RunId, UnprocessedReason};

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

    async fn canceled_runs(&self) -> Result<HashSet<RunId>, LedgerError> {
        canceled_runs(&*self.connection().await?).await
    }

    async fn dead_letters(
        &self,
        query: DeadLetterQuery,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, LedgerError> {
        dead_letters(&*self.connection().await?, &query, limit).await
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

/// Chunks first: rows of chunks are held before those of runs. A run that somebody else has closed
/// or canceled meanwhile stays.
async fn cancel_run(tx: &Transaction<'_>, id: RunId, now: Timestamp) -> Result<Run, LedgerError> {
    let run = lists::run(tx, id).await?.ok_or(LedgerError::NoSuchRun(id))?;
    if !run.cancel_changes()? {
        return Ok(run);
    }
    execute(
        tx,
        "UPDATE chunk SET ready_at = $2
         FROM (SELECT id FROM chunk WHERE run = $1 AND state = 'ready' AND ready_at > $2 ORDER BY \
         id FOR UPDATE) held
         WHERE held.id = chunk.id AND state = 'ready' AND ready_at > $2",
        &[&id.0, &micros(now)],
    )
    .await?;
    execute(
        tx,
        "UPDATE run SET canceled_at = $2, reason = CASE WHEN state = 'reading' THEN \
         coalesce(reason, $3) ELSE reason END,
                        read_after = least(read_after, $2)
         WHERE id = $1 AND canceled_at IS NULL AND state <> 'closed'",
        &[&id.0, &micros(now), &UnprocessedReason::Canceled.as_str()],
    )
    .await?;
    let run = lists::run(tx, id).await?.ok_or(LedgerError::NoSuchRun(id))?;
    // Canceled it now is, if it was not closed meanwhile.
    run.cancel_changes().map(|_canceled| run)
}

async fn canceled_runs(db: &impl GenericClient) -> Result<HashSet<RunId>, LedgerError> {
    let rows =
        query(db, "SELECT id FROM run WHERE state <> 'closed' AND canceled_at IS NOT NULL", &[])
            .await?;
    Ok(rows.iter().map(|row| RunId(row.get(0))).collect())
}

async fn dead_letters(
    db: &impl GenericClient,
    wanted: &DeadLetterQuery,
    limit: usize,
) -> Result<Vec<DeadLetter>, LedgerError> {
    let (run, job) = (wanted.run.map(|run| run.0), wanted.job.as_ref().map(JobId::as_str));
    let (since, failed_by) = (wanted.since.map(micros), micros(wanted.failed_by));
    let after = wanted.after.map(|(run, ordinal)| (run.0, ordinal as i64));
    let reason = wanted.reason.map(FailedReason::as_str);
    let tenants: Vec<&str> = wanted.tenants.iter().map(TenantId::as_str).collect();
    let limit = limit as i64;
    let mut conditions = Conditions::default();
    conditions.add_plain("r.failed > 0 AND o.status = 1");
    conditions.add("r.id =", run.as_ref());
    conditions.add("j.job_id =", job.as_ref());
    conditions.add("r.scheduled_at >=", since.as_ref());
    conditions.add("o.finished_at <=", Some(&failed_by));
    conditions.add_behind("(o.run, o.ordinal)", after.as_ref());
    conditions.add("o.reason =", reason.as_ref());
    conditions.add_part_of("o.detail", wanted.error.as_ref());
    if !tenants.is_empty() {
        let place = conditions.place_of(&tenants);
        conditions.add_plain(&format!("t.tenant_id = ANY({place})"));
    }
    let limit = conditions.place_of(&limit);
    let sql = format!(
        "SELECT o.run, o.ordinal, t.tenant_id FROM outcome o {} {} ORDER BY o.run, o.ordinal LIMIT \
         {limit}",
        lists::WITH_NAMES,
        conditions.sql()
    );
    let letter = |row: &Row| {
        Ok(DeadLetter {
            run: RunId(row.get(0)),
            ordinal: row.get::<_, i64>(1) as u64,
            tenant_id: parsed(row, 2)?,
        })
    };
    query(db, &sql, conditions.bound()).await?.iter().map(letter).collect()
}

async fn requeue(tx: &Transaction<'_>, requeue: &Requeue) -> Result<u64, LedgerError> {
    hold_runs(tx, requeue).await?;
    let members = requeue_outcomes(tx, requeue).await?;
    for (run, members) in &members {
        let lane = reopen_run(tx, *run, members.len()).await?;
        for of_chunk in members.chunks(largest_chunk(tx, *run).await?) {
            insert_requeued_chunk(tx, *run, lane, of_chunk, requeue.at).await?;
        }
    }
    Ok(members.values().map(|members| members.len() as u64).sum())
}

/// Rows of runs are held before those of their outcomes, as when outcomes are recorded.
async fn hold_runs(tx: &Transaction<'_>, requeue: &Requeue) -> Result<(), LedgerError> {
    let runs: Vec<i64> = requeue.places.iter().map(|(run, _)| run.0).collect();
    execute(tx, "SELECT FROM run WHERE id = ANY($1) ORDER BY id FOR UPDATE", &[&runs]).await?;
    Ok(())
}

/// Leaves the failures where they are kept, and answers the members who are open again. An outcome
/// that is no failure stays.
async fn requeue_outcomes(
    tx: &Transaction<'_>,
    requeue: &Requeue,
) -> Result<BTreeMap<RunId, Vec<OpenMember>>, LedgerError> {
    const COLUMNS: &str = "run, ordinal, tenant, chunk, status, reason, detail, attempts, \
        preference_version, stale, result, finished_at, settlement, key_nonce";
    let (runs, ordinals): (Vec<i64>, Vec<i64>) =
        requeue.places.iter().map(|(run, ordinal)| (run.0, *ordinal as i64)).unzip();
    let sql = format!(
        "WITH failed AS (
             SELECT outcome.* FROM outcome JOIN (SELECT DISTINCT * FROM unnest($1::bigint[], \
             $2::bigint[])) AS place (run, ordinal)
                                             ON outcome.run = place.run AND outcome.ordinal = \
                                             place.ordinal WHERE status = 1),
         kept AS (INSERT INTO requeued_outcome ({COLUMNS}) SELECT {COLUMNS} FROM failed)
         UPDATE outcome SET status = 3, key_nonce = coalesce($3, outcome.key_nonce) FROM failed
         WHERE outcome.run = failed.run AND outcome.ordinal = failed.ordinal
         RETURNING outcome.run, outcome.ordinal, outcome.tenant, outcome.attempts, \
         outcome.key_nonce"
    );
    let mut members: BTreeMap<RunId, Vec<OpenMember>> = BTreeMap::new();
    for row in query(tx, &sql, &[&runs, &ordinals, &requeue.key_nonce]).await? {
        let requeued = Requeued {
            at: requeue.at,
            attempts_before: row.get::<_, i32>(3) as u32,
            key_nonce: row.get(4),
        };
        let member = OpenMember::requeued(
            row.get::<_, i64>(1) as u64,
            row.get::<_, i64>(2) as u64,
            requeued,
        );
        members.entry(RunId(row.get(0))).or_default().push(member);
    }
    for members in members.values_mut() {
        members.sort_by_key(|member| member.ordinal);
    }
    Ok(members)
}

/// Opens a run again for so many who had failed, and answers its lane: job and priority.
async fn reopen_run(
    tx: &Transaction<'_>,
    run: RunId,
    members: usize,
) -> Result<(i64, i32), LedgerError> {
    let reopened = query_opt(
        tx,
        "UPDATE run SET failed = failed - $2, state = CASE WHEN state = 'closed' THEN 'processing' \
         ELSE state END, closed_at = NULL,
                        canceled_at = NULL
         WHERE id = $1 AND (state = 'closed' OR canceled_at IS NULL) RETURNING job, priority",
        &[&run.0, &(members as i64)],
    )
    .await?;
    reopened.map(|row| (row.get(0), row.get(1))).ok_or(LedgerError::RunIsBeingCanceled(run))
}

/// The size that the job's chunks had in this run.
async fn largest_chunk(tx: &Transaction<'_>, run: RunId) -> Result<usize, LedgerError> {
    Ok(query_one(tx, "SELECT coalesce(max(size), 1) FROM chunk WHERE run = $1", &[&run.0])
        .await?
        .get::<_, i64>(0) as usize)
}

async fn insert_requeued_chunk(
    tx: &Transaction<'_>,
    run: RunId,
    (job, priority): (i64, i32),
    members: &[OpenMember],
    at: Timestamp,
) -> Result<(), LedgerError> {
    let numbers = || members.iter().map(|member| member.number as i64);
    execute(
        tx,
        "INSERT INTO chunk (run, first_tenant, last_tenant, first_ordinal, size, state, priority, \
         ready_at, open_members, attempt, token, job)
         VALUES ($1, $2, $3, $4, $5, 'ready', $6, $7, $8, 0, 0, $9)",
        &[
            &run.0,
            &numbers().min(),
            &numbers().max(),
            &members.first().map(|member| member.ordinal as i64),
            &(members.len() as i64),
            &priority,
            &micros(at),
            &to_json(members),
            &job,
        ],
    )
    .await?;
    Ok(())
}
