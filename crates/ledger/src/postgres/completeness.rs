//! What is counted, on PostgreSQL (A1).

use async_trait::async_trait;
use cohort_database::GenericClient;
use cohort_database::statement::{query, query_one};
use cohort_preferences::JobId;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::{PostgresLedger, group, instant_or_none, micros, parsed, unreadable};
use crate::completeness::{CompletenessLedger, OpenWork, RunOnRecord};
use crate::{LedgerError, RunId, RunState};

#[async_trait]
impl CompletenessLedger for PostgresLedger {
    async fn runs_between(
        &self,
        job: &JobId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<RunOnRecord>, LedgerError> {
        runs_between(&*self.connection().await?, job, from, until).await
    }

    async fn open_work(&self, now: Timestamp) -> Result<OpenWork, LedgerError> {
        open_work(&*self.connection().await?, now).await
    }
}

async fn runs_between(
    db: &impl GenericClient,
    job: &JobId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<RunOnRecord>, LedgerError> {
    let sql =
        "SELECT r.id, r.frequency, r.time_key, r.timezone, r.nominal, r.state, r.succeeded + \
        r.failed + r.skipped + r.missed,
                      r.state <> 'closed' AND EXISTS (SELECT FROM requeued_outcome q WHERE q.run = \
                      r.id)
               FROM run r WHERE r.job = (SELECT id FROM job WHERE job_id = $1) AND r.scheduled_at \
               BETWEEN $2 AND $3 AND r.nominal_date IS NOT NULL";
    let rows = query(db, sql, &[&job.as_str(), &micros(from), &micros(until)]).await?;
    let account = |row: Row| {
        Ok(RunOnRecord {
            id: RunId(row.get(0)),
            group: group(&row, 1)?,
            nominal: parsed(&row, 4)?,
            state: RunState::from_name(row.get(5))
                .ok_or_else(|| unreadable(&row, 5, "no state"))?,
            on_record: row.get::<_, i64>(6) as u64,
            is_requeued: row.get(7),
        })
    };
    rows.into_iter().map(account).collect()
}

async fn open_work(db: &impl GenericClient, now: Timestamp) -> Result<OpenWork, LedgerError> {
    let sql = "SELECT (SELECT count(*) FROM run WHERE state = 'reading'), (SELECT count(*) FROM \
        run WHERE state <> 'closed'),
                      (SELECT count(*) FROM chunk WHERE state = 'ready'), (SELECT count(*) FROM \
                      chunk WHERE state = 'claimed'),
                      (SELECT min(ready_at) FROM chunk WHERE state = 'ready' AND ready_at <= $1)";
    let row = query_one(db, sql, &[&micros(now)]).await?;
    let count = |index| row.get::<_, i64>(index) as u64;
    Ok(OpenWork {
        runs_reading: count(0),
        runs_processing: count(1) - count(0),
        chunks_ready: count(2),
        chunks_claimed: count(3),
        oldest_ready_at: instant_or_none(row.get(4))?,
    })
}
