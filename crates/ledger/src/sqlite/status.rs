//! How the ledger stands, on SQLite (A4, F12).

use std::collections::BTreeMap;

use async_trait::async_trait;
use cohort_preferences::JobId;
use jiff::Timestamp;
use rusqlite::{Connection, Params, Row};

use super::SqliteLedger;
use super::row::{group, instant, number, parsed};
use crate::LedgerError;
use crate::rows::micros;
use crate::states::{CLOSED, DONE, READING};
use crate::status::{JobWork, RECORDINGS_LOOKED_AT, ReadingGroup, StatusLedger, Told, by_job};

#[async_trait]
impl StatusLedger for SqliteLedger {
    async fn prove_writable(&self, now: Timestamp) -> Result<(), LedgerError> {
        self.db.write(move |tx| prove_writable(tx, now)).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn job_work(
        &self,
        ended_since: Timestamp,
        trouble_since: Timestamp,
    ) -> Result<BTreeMap<JobId, JobWork>, LedgerError> {
        self.db.read(move |tx| job_work(tx, ended_since, trouble_since)).await
    }
}

fn prove_writable(tx: &Connection, now: Timestamp) -> Result<(), LedgerError> {
    // Always another value: SQLite does not write a page that stays the same.
    tx.prepare_cached("UPDATE write_probe SET at = max(at + 1, ?1)")?.execute([micros(now)])?;
    Ok(())
}

fn job_work(
    tx: &Connection,
    ended_since: Timestamp,
    trouble_since: Timestamp,
) -> Result<BTreeMap<JobId, JobWork>, LedgerError> {
    let mut rows = open(tx)?;
    rows.extend(reading(tx)?);
    rows.extend(ended(tx, ended_since)?);
    rows.extend(trouble(tx, trouble_since)?);
    Ok(by_job(rows))
}

fn open(tx: &Connection) -> Result<Vec<(JobId, Told)>, LedgerError> {
    let sql = format!(
        "SELECT j.job_id, count(*) AS runs,
             min(CASE
                 WHEN EXISTS (SELECT 1 FROM requeued_outcome q WHERE q.run = r.id)
                 THEN ifnull(
                     (
                         SELECT min(c.ready_at)
                         FROM chunk c
                         WHERE c.run = r.id AND c.state <> '{DONE}'
                     ),
                     r.scheduled_at
                 )
                 ELSE r.scheduled_at
             END) AS due_since,
             sum(max(0, r.members - r.succeeded - r.failed - r.skipped - r.missed)) AS users
         FROM run r
         JOIN job j ON j.id = r.job
         WHERE r.state <> '{CLOSED}'
         GROUP BY j.job_id"
    );
    select(tx, &sql, [], |row| {
        Ok(Told::Open {
            runs: number(row, "runs")?,
            due_since: instant(row, "due_since")?,
            users: number(row, "users")?,
        })
    })
}

fn reading(tx: &Connection) -> Result<Vec<(JobId, Told)>, LedgerError> {
    let sql = format!(
        "SELECT j.job_id, r.frequency, r.time_key, r.timezone, r.members AS read
         FROM run r
         JOIN job j ON j.id = r.job
         WHERE r.state = '{READING}'"
    );
    select(tx, &sql, [], |row| {
        let group = group(row, ["frequency", "time_key", "timezone"])?;
        Ok(Told::Reading(ReadingGroup { group, read: number(row, "read")? }))
    })
}

fn ended(tx: &Connection, since: Timestamp) -> Result<Vec<(JobId, Told)>, LedgerError> {
    let sql = format!(
        "SELECT j.job_id, sum(s.last_ordinal - s.first_ordinal + 1) AS users
         FROM (
             SELECT run, first_ordinal, last_ordinal, at
             FROM settlement
             ORDER BY id DESC
             LIMIT {RECORDINGS_LOOKED_AT}
         ) s
         JOIN run r ON r.id = s.run
         JOIN job j ON j.id = r.job
         WHERE s.at >= ?1
         GROUP BY j.job_id"
    );
    select(tx, &sql, [micros(since)], |row| Ok(Told::Finished(number(row, "users")?)))
}

fn trouble(tx: &Connection, since: Timestamp) -> Result<Vec<(JobId, Told)>, LedgerError> {
    let sql = "SELECT j.job_id, sum(r.failed) AS failed, sum(r.missed) AS missed
         FROM run r
         JOIN job j ON j.id = r.job
         WHERE (r.failed > 0 OR r.missed > 0) AND r.scheduled_at >= ?1
         GROUP BY j.job_id";
    select(tx, sql, [micros(since)], |row| {
        Ok(Told::Trouble { failed: number(row, "failed")?, missed: number(row, "missed")? })
    })
}

fn select(
    tx: &Connection,
    sql: &str,
    parameters: impl Params,
    told: impl Fn(&Row<'_>) -> rusqlite::Result<Told>,
) -> Result<Vec<(JobId, Told)>, LedgerError> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map(parameters, |row| Ok((parsed(row, "job_id")?, told(row)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
