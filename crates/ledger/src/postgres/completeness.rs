//! What completeness checks read, on PostgreSQL (A1).

use async_trait::async_trait;
use cohort_database::GenericClient;
use cohort_preferences::JobId;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::PostgresLedger;
use super::named::{named, query, query_one};
use super::row::{from_name, group, instant_or_none, number, parsed};
use crate::completeness::{CompletenessLedger, OpenWork, RunOnRecord};
use crate::rows::micros;
use crate::states::{CLAIMED, CLOSED, READING, READY};
use crate::{LedgerError, RunId, RunState};

#[async_trait]
impl CompletenessLedger for PostgresLedger {
    #[tracing::instrument(level = "debug", skip_all, fields(%job, %from, %until))]
    async fn runs_between(
        &self,
        job: &JobId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<RunOnRecord>, LedgerError> {
        runs_between(&*self.long_connection().await?, job, from, until).await
    }

    async fn open_work(&self, now: Timestamp) -> Result<OpenWork, LedgerError> {
        open_work(&*self.long_connection().await?, now).await
    }
}

async fn runs_between(
    db: &impl GenericClient,
    job: &JobId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<RunOnRecord>, LedgerError> {
    let sql = format!(
        "SELECT r.id, r.frequency, r.time_key, r.timezone, r.nominal, r.state,
             r.succeeded + r.failed + r.skipped + r.missed AS on_record,
             r.state <> '{CLOSED}'
                 AND EXISTS (SELECT FROM requeued_outcome q WHERE q.run = r.id) AS is_requeued
         FROM run r
         WHERE r.job = (SELECT id FROM job WHERE job_id = :job)
             AND r.scheduled_at BETWEEN :from AND :until
             AND r.nominal_date IS NOT NULL"
    );
    let values = named! { job: job.as_str(), from: micros(from), until: micros(until) };
    query(db, &sql, values).await?.iter().map(read_run_on_record).collect()
}

fn read_run_on_record(row: &Row) -> Result<RunOnRecord, LedgerError> {
    Ok(RunOnRecord {
        id: RunId(row.get("id")),
        group: group(row, ["frequency", "time_key", "timezone"])?,
        nominal: parsed(row, "nominal")?,
        state: from_name(row, "state", RunState::from_name)?,
        on_record: number(row, "on_record"),
        is_requeued: row.get("is_requeued"),
    })
}

async fn open_work(db: &impl GenericClient, now: Timestamp) -> Result<OpenWork, LedgerError> {
    let sql = format!(
        "SELECT
             (SELECT count(*) FROM run WHERE state = '{READING}') AS runs_reading,
             (SELECT count(*) FROM run WHERE state <> '{CLOSED}') AS runs_open,
             (SELECT count(*) FROM chunk WHERE state = '{READY}') AS chunks_ready,
             (SELECT count(*) FROM chunk WHERE state = '{CLAIMED}') AS chunks_claimed,
             (
                 SELECT min(ready_at) FROM chunk WHERE state = '{READY}' AND ready_at <= :now
             ) AS oldest_ready_at"
    );
    let row = query_one(db, &sql, named! { now: micros(now) }).await?;
    let runs_reading = number(&row, "runs_reading");
    Ok(OpenWork {
        runs_reading,
        runs_processing: number(&row, "runs_open") - runs_reading,
        chunks_ready: number(&row, "chunks_ready"),
        chunks_claimed: number(&row, "chunks_claimed"),
        oldest_ready_at: instant_or_none(&row, "oldest_ready_at")?,
    })
}
