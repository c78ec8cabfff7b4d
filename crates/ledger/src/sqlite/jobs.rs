//! Up to when jobs are planned, on SQLite (F1).

use cohort_preferences::JobId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::row::{instant, instant_or_none};
use crate::rows::micros;
use crate::run::LastingPause;
use crate::{LedgerError, Watermark};

pub(super) fn ensure_job(
    tx: &Connection,
    job: &JobId,
    now: Timestamp,
) -> Result<Watermark, LedgerError> {
    tx.prepare_cached(
        "INSERT INTO job (job_id, began, mark, known_until)
         VALUES (?1, ?2, ?2, ?2)
         ON CONFLICT (job_id) DO NOTHING",
    )?
    .execute(params![job.as_str(), micros(now)])?;
    let watermark = tx
        .prepare_cached("SELECT mark, known_until, replan_from FROM job WHERE job_id = ?1")?
        .query_row([job.as_str()], |row| {
            Ok(Watermark {
                planned_until: instant(row, "mark")?,
                known_until: instant(row, "known_until")?,
                replan_from: instant_or_none(row, "replan_from")?,
            })
        })?;
    Ok(watermark)
}

/// The number of a job that has had runs.
pub(super) fn number_of(tx: &Connection, job: &JobId) -> Result<i64, LedgerError> {
    let find = "SELECT id FROM job WHERE job_id = ?1";
    Ok(tx.prepare_cached(find)?.query_row([job.as_str()], |row| row.get("id"))?)
}

/// The pause of a job that lasts; `None` if the job plans.
pub(super) fn lasting_pause(
    tx: &Connection,
    job: i64,
) -> Result<Option<LastingPause>, LedgerError> {
    let pause = tx
        .prepare_cached(
            "SELECT paused_at, stopped_at
             FROM job
             WHERE id = ?1 AND paused_at IS NOT NULL AND resumed_at IS NULL",
        )?
        .query_row([job], |row| {
            let is_stop = instant_or_none(row, "stopped_at")?.is_some();
            Ok(LastingPause { since: instant(row, "paused_at")?, is_stop })
        });
    Ok(pause.optional()?)
}

/// Advances the watermark of a job, and returns the job's number.
pub(super) fn advance_watermark(
    tx: &Connection,
    job: &JobId,
    watermark: Watermark,
) -> Result<i64, LedgerError> {
    let job = tx
        .prepare_cached(
            "UPDATE job
             SET mark = max(mark, ?2),
                 known_until = max(known_until, ?3),
                 replan_from = nullif(replan_from, ?4)
             WHERE job_id = ?1
             RETURNING id",
        )?
        .query_row(
            params![
                job.as_str(),
                micros(watermark.planned_until),
                micros(watermark.known_until),
                watermark.replan_from.map(micros)
            ],
            |row| row.get("id"),
        )?;
    Ok(job)
}
