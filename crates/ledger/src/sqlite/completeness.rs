//! What completeness checks read, on SQLite (A1).

use async_trait::async_trait;
use cohort_preferences::JobId;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::SqliteLedger;
use super::row::{from_name, group, instant_or_none, number, parsed};
use crate::completeness::{CompletenessLedger, OpenWork, RunOnRecord};
use crate::rows::micros;
use crate::states::{CLAIMED, CLOSED, READING, READY};
use crate::{LedgerError, RunId, RunState};

#[async_trait]
impl CompletenessLedger for SqliteLedger {
    #[tracing::instrument(level = "debug", skip_all, fields(%job, %from, %until))]
    async fn runs_between(
        &self,
        job: &JobId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<RunOnRecord>, LedgerError> {
        let job = job.clone();
        self.db.read(move |tx| runs_between(tx, &job, from, until)).await
    }

    async fn open_work(&self, now: Timestamp) -> Result<OpenWork, LedgerError> {
        self.db.read(move |tx| open_work(tx, now)).await
    }
}

fn runs_between(
    tx: &Connection,
    job: &JobId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<RunOnRecord>, LedgerError> {
    let mut statement = tx.prepare_cached(&format!(
        "SELECT r.id, r.frequency, r.time_key, r.timezone, r.nominal, r.state,
             r.succeeded + r.failed + r.skipped + r.missed AS on_record,
             r.state <> '{CLOSED}'
                 AND EXISTS (SELECT 1 FROM requeued_outcome q WHERE q.run = r.id) AS is_requeued
         FROM run r
         WHERE r.job = (SELECT id FROM job WHERE job_id = ?1)
             AND r.scheduled_at BETWEEN ?2 AND ?3
             AND r.nominal_date IS NOT NULL"
    ))?;
    let runs = statement.query_map(params![job.as_str(), micros(from), micros(until)], |row| {
        Ok(RunOnRecord {
            id: RunId(row.get("id")?),
            group: group(row, ["frequency", "time_key", "timezone"])?,
            nominal: parsed(row, "nominal")?,
            state: from_name(row, "state", RunState::from_name)?,
            on_record: number(row, "on_record")?,
            is_requeued: row.get("is_requeued")?,
        })
    })?;
    Ok(runs.collect::<Result<_, _>>()?)
}

fn open_work(tx: &Connection, now: Timestamp) -> Result<OpenWork, LedgerError> {
    let sql = format!(
        "SELECT
             (SELECT count(*) FROM run WHERE state = '{READING}') AS runs_reading,
             (SELECT count(*) FROM run WHERE state <> '{CLOSED}') AS runs_open,
             (SELECT count(*) FROM chunk WHERE state = '{READY}') AS chunks_ready,
             (SELECT count(*) FROM chunk WHERE state = '{CLAIMED}') AS chunks_claimed,
             (
                 SELECT min(ready_at) FROM chunk WHERE state = '{READY}' AND ready_at <= ?1
             ) AS oldest_ready_at"
    );
    let open = tx.prepare_cached(&sql)?.query_row([micros(now)], |row| {
        let runs_reading = number(row, "runs_reading")?;
        Ok(OpenWork {
            runs_reading,
            runs_processing: number(row, "runs_open")? - runs_reading,
            chunks_ready: number(row, "chunks_ready")?,
            chunks_claimed: number(row, "chunks_claimed")?,
            oldest_ready_at: instant_or_none(row, "oldest_ready_at")?,
        })
    })?;
    Ok(open)
}
