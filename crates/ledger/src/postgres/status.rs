//! How the ledger stands, on PostgreSQL (A4, F12).

use std::collections::BTreeMap;

use async_trait::async_trait;
use cohort_database::GenericClient;
use cohort_preferences::JobId;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::PostgresLedger;
use super::named::{execute, named, query};
use super::row::{group, instant, number, parsed};
use crate::LedgerError;
use crate::rows::micros;
use crate::states::{CLOSED, DONE, READING};
use crate::status::{JobWork, RECORDINGS_LOOKED_AT, ReadingGroup, StatusLedger, Told, by_job};

#[async_trait]
impl StatusLedger for PostgresLedger {
    async fn prove_writable(&self, now: Timestamp) -> Result<(), LedgerError> {
        prove_writable(&*self.connection().await?, now).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn job_work(
        &self,
        ended_since: Timestamp,
        trouble_since: Timestamp,
    ) -> Result<BTreeMap<JobId, JobWork>, LedgerError> {
        job_work(&*self.connection().await?, ended_since, trouble_since).await
    }
}

async fn prove_writable(db: &impl GenericClient, now: Timestamp) -> Result<(), LedgerError> {
    execute(db, "UPDATE write_probe SET at = :now", named! { now: micros(now) }).await?;
    Ok(())
}

async fn job_work(
    db: &impl GenericClient,
    ended_since: Timestamp,
    trouble_since: Timestamp,
) -> Result<BTreeMap<JobId, JobWork>, LedgerError> {
    let mut rows = open(db).await?;
    rows.extend(reading(db).await?);
    rows.extend(ended(db, ended_since).await?);
    rows.extend(trouble(db, trouble_since).await?);
    Ok(by_job(rows))
}

async fn open(db: &impl GenericClient) -> Result<Vec<(JobId, Told)>, LedgerError> {
    let sql = format!(
        "SELECT j.job_id, count(*) AS runs,
             min(CASE
                 WHEN EXISTS (SELECT FROM requeued_outcome q WHERE q.run = r.id)
                 THEN coalesce(
                     (
                         SELECT min(c.ready_at)
                         FROM chunk c
                         WHERE c.run = r.id AND c.state <> '{DONE}'
                     ),
                     r.scheduled_at
                 )
                 ELSE r.scheduled_at
             END) AS due_since,
             sum(
                 greatest(0, r.members - r.succeeded - r.failed - r.skipped - r.missed)
             )::bigint AS users
         FROM run r
         JOIN job j ON j.id = r.job
         WHERE r.state <> '{CLOSED}'
         GROUP BY j.job_id"
    );
    told(&query(db, &sql, &[]).await?, |row| {
        Ok(Told::Open {
            runs: number(row, "runs"),
            due_since: instant(row, "due_since")?,
            users: number(row, "users"),
        })
    })
}

async fn reading(db: &impl GenericClient) -> Result<Vec<(JobId, Told)>, LedgerError> {
    let sql = format!(
        "SELECT j.job_id, r.frequency, r.time_key, r.timezone, r.members AS read
         FROM run r
         JOIN job j ON j.id = r.job
         WHERE r.state = '{READING}'"
    );
    told(&query(db, &sql, &[]).await?, |row| {
        let group = group(row, ["frequency", "time_key", "timezone"])?;
        Ok(Told::Reading(ReadingGroup { group, read: number(row, "read") }))
    })
}

async fn ended(
    db: &impl GenericClient,
    since: Timestamp,
) -> Result<Vec<(JobId, Told)>, LedgerError> {
    let sql = format!(
        "SELECT j.job_id, sum(s.last_ordinal - s.first_ordinal + 1)::bigint AS users
         FROM (
             SELECT run, first_ordinal, last_ordinal, at
             FROM settlement
             ORDER BY transaction DESC, id DESC
             LIMIT {RECORDINGS_LOOKED_AT}
         ) s
         JOIN run r ON r.id = s.run
         JOIN job j ON j.id = r.job
         WHERE s.at >= :since
         GROUP BY j.job_id"
    );
    let rows = query(db, &sql, named! { since: micros(since) }).await?;
    told(&rows, |row| Ok(Told::Finished(number(row, "users"))))
}

async fn trouble(
    db: &impl GenericClient,
    since: Timestamp,
) -> Result<Vec<(JobId, Told)>, LedgerError> {
    let sql = "SELECT j.job_id, sum(r.failed)::bigint AS failed, sum(r.missed)::bigint AS missed
         FROM run r
         JOIN job j ON j.id = r.job
         WHERE (r.failed > 0 OR r.missed > 0) AND r.scheduled_at >= :since
         GROUP BY j.job_id";
    let rows = query(db, sql, named! { since: micros(since) }).await?;
    told(&rows, |row| {
        Ok(Told::Trouble { failed: number(row, "failed"), missed: number(row, "missed") })
    })
}

fn told(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<Told, LedgerError>,
) -> Result<Vec<(JobId, Told)>, LedgerError> {
    rows.iter().map(|row| Ok((parsed(row, "job_id")?, read(row)?))).collect()
}
