//! Up to when jobs are planned, on PostgreSQL (F1).

use cohort_database::{GenericClient, Transaction};
use cohort_preferences::JobId;
use jiff::Timestamp;

use super::named::{execute, named, query_one, query_opt};
use super::row::{instant, instant_or_none};
use crate::rows::micros;
use crate::run::LastingPause;
use crate::{LedgerError, Watermark};

pub(super) async fn ensure_job(
    db: &impl GenericClient,
    job: &JobId,
    now: Timestamp,
) -> Result<Watermark, LedgerError> {
    execute(
        db,
        "INSERT INTO job (job_id, began, mark, known_until)
         VALUES (:job, :now, :now, :now)
         ON CONFLICT (job_id) DO NOTHING",
        named! { job: job.as_str(), now: micros(now) },
    )
    .await?;
    let row = query_one(
        db,
        "SELECT mark, known_until, replan_from FROM job WHERE job_id = :job",
        named! { job: job.as_str() },
    )
    .await?;
    Ok(Watermark {
        planned_until: instant(&row, "mark")?,
        known_until: instant(&row, "known_until")?,
        replan_from: instant_or_none(&row, "replan_from")?,
    })
}

/// The number of a job that has had runs.
pub(super) async fn number_of(db: &impl GenericClient, job: &JobId) -> Result<i64, LedgerError> {
    let find = "SELECT id FROM job WHERE job_id = :job";
    Ok(query_one(db, find, named! { job: job.as_str() }).await?.get("id"))
}

/// The pause of a job that lasts; `None` if the job plans.
pub(super) async fn lasting_pause(
    db: &impl GenericClient,
    job: i64,
) -> Result<Option<LastingPause>, LedgerError> {
    let row = query_opt(
        db,
        "SELECT paused_at, stopped_at
         FROM job
         WHERE id = :job AND paused_at IS NOT NULL AND resumed_at IS NULL",
        named! { job: job },
    )
    .await?;
    let Some(row) = row else { return Ok(None) };
    let is_stop = instant_or_none(&row, "stopped_at")?.is_some();
    Ok(Some(LastingPause { since: instant(&row, "paused_at")?, is_stop }))
}

/// Advances the watermark of a job, and returns the job's number. The job is locked from here on:
/// two agents that open its runs come one after the other.
pub(super) async fn advance_watermark(
    tx: &Transaction<'_>,
    job: &JobId,
    watermark: Watermark,
) -> Result<i64, LedgerError> {
    let row = query_one(
        tx,
        "UPDATE job
         SET mark = greatest(mark, :planned_until),
             known_until = greatest(known_until, :known_until),
             replan_from = nullif(replan_from, :replanned_from)
         WHERE job_id = :job
         RETURNING id",
        named! {
            job: job.as_str(),
            planned_until: micros(watermark.planned_until),
            known_until: micros(watermark.known_until),
            replanned_from: watermark.replan_from.map(micros),
        },
    )
    .await?;
    Ok(row.get("id"))
}
