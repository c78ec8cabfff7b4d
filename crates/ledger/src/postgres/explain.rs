//! What is known of one user at one instant, on PostgreSQL (A3).

use async_trait::async_trait;
use cohort_database::GenericClient;
use cohort_database::statement::{query, query_opt};
use cohort_preferences::{JobId, PreferenceGroup};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::lists::{OUTCOME, WITH_NAMES, read_outcome, read_run};
use super::{PostgresLedger, RUN, from_json, instant, instant_or_none, micros, unreadable};
use crate::explain::{
    ChunkStanding, ChunkState, ExplainLedger, FailedAttempt, JobStanding, Place, WorkStanding,
};
use crate::{FiringName, LedgerError, OpenMember, Pause, Run, RunId, StatusName};

#[async_trait]
impl ExplainLedger for PostgresLedger {
    async fn job_standing(&self, job: &JobId) -> Result<Option<JobStanding>, LedgerError> {
        job_standing(&*self.connection().await?, job).await
    }

    async fn run_named(
        &self,
        job: &JobId,
        group: &PreferenceGroup,
        nominal: FiringName,
    ) -> Result<Option<Run>, LedgerError> {
        run_named(&*self.connection().await?, job, group, nominal).await
    }

    async fn kept_since(&self) -> Result<Option<Timestamp>, LedgerError> {
        kept_since(&*self.connection().await?).await
    }

    async fn places(
        &self,
        job: &JobId,
        number: u64,
        at: Timestamp,
    ) -> Result<Vec<Place>, LedgerError> {
        let mut connection = self.connection().await?;
        places(&connection.snapshot().await?, job, number, at).await
    }
}

async fn job_standing(
    db: &impl GenericClient,
    job: &JobId,
) -> Result<Option<JobStanding>, LedgerError> {
    let row = query_opt(
        db,
        "SELECT began, mark, paused_at, resumed_at FROM job WHERE job_id = $1",
        &[&job.as_str()],
    )
    .await?;
    let standing = |row: Row| {
        let until = instant_or_none(row.get(3))?;
        let pause = instant_or_none(row.get(2))?.map(|from| Pause { from, until });
        Ok(JobStanding { began: instant(row.get(0))?, planned_until: instant(row.get(1))?, pause })
    };
    row.map(standing).transpose()
}

async fn run_named(
    db: &impl GenericClient,
    job: &JobId,
    group: &PreferenceGroup,
    nominal: FiringName,
) -> Result<Option<Run>, LedgerError> {
    let sql = format!(
        "{RUN} WHERE j.job_id = $1 AND r.frequency = $2 AND r.time_key = $3 AND r.timezone = $4 \
         AND r.nominal = $5"
    );
    let (time_key, nominal) = (group.time_key().to_string(), nominal.to_string());
    let row = query_opt(
        db,
        &sql,
        &[
            &job.as_str(),
            &group.frequency().as_str(),
            &time_key,
            &group.timezone().name(),
            &nominal,
        ],
    )
    .await?;
    row.as_ref().map(read_run).transpose()
}

async fn kept_since(db: &impl GenericClient) -> Result<Option<Timestamp>, LedgerError> {
    // Where all is gone that was recorded, whatever was planned may have gone with it.
    let sql = "SELECT coalesce((SELECT at FROM settlement ORDER BY transaction, id LIMIT 1), \
        (SELECT max(mark) FROM job))
               FROM feed_pruned WHERE settlement > 0";
    instant_or_none(query_opt(db, sql, &[]).await?.and_then(|row| row.get(0)))
}

async fn places(
    db: &impl GenericClient,
    job: &JobId,
    number: u64,
    at: Timestamp,
) -> Result<Vec<Place>, LedgerError> {
    let sql = "SELECT c.id, c.size, c.state, c.ready_at, c.attempt, c.holder, c.lease_until, \
        c.open_members, c.run, c.first_ordinal
         FROM job j JOIN run r ON r.job = j.id JOIN chunk c ON c.run = r.id
         WHERE j.job_id = $1 AND r.scheduled_at = $2 AND c.first_tenant <= $3 AND c.last_tenant >= \
         $3 ORDER BY c.run, c.id";
    let mut places = Vec::new();
    for row in query(db, sql, &[&job.as_str(), &micros(at), &(number as i64)]).await? {
        let (chunk, open): (ChunkStanding, Vec<OpenMember>) =
            (read_chunk(&row)?, from_json(&row, 7)?);
        let (run, first_ordinal): (RunId, i64) = (RunId(row.get(8)), row.get(9));
        let work = match open.into_iter().find(|member| member.number == number) {
            Some(member) => Some((member.ordinal, WorkStanding::Open(member))),
            None => outcome(db, run, first_ordinal, chunk.size, number).await?,
        };
        let Some((ordinal, work)) = work else { continue };
        let failures = failures(db, run, ordinal).await?;
        let run = super::lists::run(db, run)
            .await?
            .ok_or_else(|| LedgerError::Corrupt(format!("chunk {} has no run", chunk.id)))?;
        // Who was requeued is in two chunks of the run, and the later one tells (D6).
        places.retain(|place: &Place| place.run.id != run.id);
        places.push(Place { run, chunk, work, failures });
    }
    Ok(places)
}

/// A user's place and outcome among those that a chunk has in its run; `None` too while the user is
/// open in a later chunk.
async fn outcome(
    db: &impl GenericClient,
    run: RunId,
    first: i64,
    size: u64,
    number: u64,
) -> Result<Option<(u64, WorkStanding)>, LedgerError> {
    let sql = format!(
        "{OUTCOME} FROM outcome o {WITH_NAMES} WHERE o.run = $1 AND o.ordinal >= $2 AND o.ordinal \
         < $2 + $3 AND o.tenant = $4"
    );
    let Some(row) =
        query_opt(db, &sql, &[&run.0, &first, &(size as i64), &(number as i64)]).await?
    else {
        return Ok(None);
    };
    let record = read_outcome(&row)?;
    let is_final = record.status != StatusName::Requeued;
    Ok(is_final.then(|| (row.get::<_, i64>(1) as u64, WorkStanding::Ended(record))))
}

/// The attempts at one place of a run that did not end it, and the failures that a requeue left.
async fn failures(
    db: &impl GenericClient,
    run: RunId,
    ordinal: u64,
) -> Result<Vec<FailedAttempt>, LedgerError> {
    let sql = "SELECT attempt, at, error FROM attempt WHERE run = $1 AND ordinal = $2
               UNION ALL SELECT attempts, finished_at, detail FROM requeued_outcome WHERE run = $1 \
               AND ordinal = $2 ORDER BY 1";
    let rows = query(db, sql, &[&run.0, &(ordinal as i64)]).await?;
    let failure = |row: Row| {
        Ok(FailedAttempt {
            attempt: row.get::<_, i32>(0) as u32,
            at: instant(row.get(1))?,
            error: row.get(2),
        })
    };
    rows.into_iter().map(failure).collect()
}

fn read_chunk(row: &Row) -> Result<ChunkStanding, LedgerError> {
    let (holder, lease_until): (Option<String>, _) = (row.get(5), instant_or_none(row.get(6))?);
    Ok(ChunkStanding {
        id: row.get(0),
        size: row.get::<_, i64>(1) as u64,
        state: ChunkState::from_name(row.get(2)).ok_or_else(|| unreadable(row, 2, "no state"))?,
        ready_at: instant(row.get(3))?,
        attempts: row.get::<_, i32>(4) as u32,
        lease: holder.zip(lease_until),
    })
}
