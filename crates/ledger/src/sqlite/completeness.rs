//! What is counted, on SQLite (A1).

use async_trait::async_trait;
use cohort_preferences::JobId;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{SqliteLedger, group, micros, micros_to_instant, parsed, unreadable};
use crate::completeness::{CompletenessLedger, OpenWork, RunOnRecord};
use crate::{LedgerError, RunId, RunState};

#[async_trait]
impl CompletenessLedger for SqliteLedger {
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
    let mut statement = tx.prepare_cached(
        "SELECT r.id, r.frequency, r.time_key, r.timezone, r.nominal, r.state, r.succeeded + \
         r.failed + r.skipped + r.missed,
                r.state <> 'closed' AND EXISTS (SELECT 1 FROM requeued_outcome q WHERE q.run = r.id)
         FROM run r WHERE r.job = (SELECT id FROM job WHERE job_id = ?1) AND r.scheduled_at \
         BETWEEN ?2 AND ?3 AND r.nominal_date IS NOT NULL",
    )?;
    let runs = statement.query_map(params![job.as_str(), micros(from), micros(until)], |row| {
        Ok(RunOnRecord {
            id: RunId(row.get(0)?),
            group: group(row, 1)?,
            nominal: parsed(row, 4)?,
            state: RunState::from_name(&row.get::<_, String>(5)?)
                .ok_or_else(|| unreadable(5, "no state"))?,
            on_record: row.get::<_, i64>(6)? as u64,
            is_requeued: row.get(7)?,
        })
    })?;
    Ok(runs.collect::<Result<_, _>>()?)
}

fn open_work(tx: &Connection, now: Timestamp) -> Result<OpenWork, LedgerError> {
    let count = |sql| {
        tx.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0)).map(|count| count as u64)
    };
    let mut oldest = tx.prepare_cached(
        "SELECT min(ready_at) FROM chunk WHERE state = 'ready' AND ready_at <= ?1",
    )?;
    let oldest_ready_at = oldest.query_row([micros(now)], |row| {
        row.get::<_, Option<i64>>(0)?.map(|at| micros_to_instant(0, at)).transpose()
    })?;
    let runs_reading = count("SELECT count(*) FROM run WHERE state = 'reading'")?;
    Ok(OpenWork {
        runs_reading,
        runs_processing: count("SELECT count(*) FROM run WHERE state <> 'closed'")? - runs_reading,
        chunks_ready: count("SELECT count(*) FROM chunk WHERE state = 'ready'")?,
        chunks_claimed: count("SELECT count(*) FROM chunk WHERE state = 'claimed'")?,
        oldest_ready_at,
    })
}
