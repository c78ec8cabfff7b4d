//! What is known of one user at one instant, on SQLite (A3).

use async_trait::async_trait;
use cohort_preferences::{JobId, PreferenceGroup};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::lists::{OUTCOME, WITH_NAMES, read_outcome, read_run};
use super::{RUN, SqliteLedger, from_json, instant, micros, micros_to_instant, unreadable};
use crate::explain::{
    ChunkStanding, ChunkState, ExplainLedger, FailedAttempt, JobStanding, Place, WorkStanding,
};
use crate::{FiringName, LedgerError, OpenMember, Pause, Run, RunId, StatusName};

#[async_trait]
impl ExplainLedger for SqliteLedger {
    async fn job_standing(&self, job: &JobId) -> Result<Option<JobStanding>, LedgerError> {
        let job = job.clone();
        self.db.read(move |tx| job_standing(tx, &job)).await
    }

    async fn run_named(
        &self,
        job: &JobId,
        group: &PreferenceGroup,
        nominal: FiringName,
    ) -> Result<Option<Run>, LedgerError> {
        let (job, group) = (job.clone(), group.clone());
        self.db.read(move |tx| run_named(tx, &job, &group, nominal)).await
    }

    async fn kept_since(&self) -> Result<Option<Timestamp>, LedgerError> {
        self.db.read(kept_since).await
    }

    async fn places(
        &self,
        job: &JobId,
        number: u64,
        at: Timestamp,
    ) -> Result<Vec<Place>, LedgerError> {
        let job = job.clone();
        self.db.read(move |tx| places(tx, &job, number, at)).await
    }
}

fn job_standing(tx: &Connection, job: &JobId) -> Result<Option<JobStanding>, LedgerError> {
    let mut statement =
        tx.prepare_cached("SELECT began, mark, paused_at, resumed_at FROM job WHERE job_id = ?1")?;
    let standing = statement.query_row([job.as_str()], |row| {
        let maybe = |index| {
            row.get::<_, Option<i64>>(index)?.map(|at| micros_to_instant(index, at)).transpose()
        };
        let until = maybe(3)?;
        Ok(JobStanding {
            began: instant(row, 0)?,
            planned_until: instant(row, 1)?,
            pause: maybe(2)?.map(|from| Pause { from, until }),
        })
    });
    Ok(standing.optional()?)
}

fn run_named(
    tx: &Connection,
    job: &JobId,
    group: &PreferenceGroup,
    nominal: FiringName,
) -> Result<Option<Run>, LedgerError> {
    let sql = format!(
        "{RUN} WHERE j.job_id = ?1 AND r.frequency = ?2 AND r.time_key = ?3 AND r.timezone = ?4 \
         AND r.nominal = ?5"
    );
    let parameters = params![
        job.as_str(),
        group.frequency().as_str(),
        group.time_key().to_string(),
        group.timezone().name(),
        nominal.to_string()
    ];
    Ok(tx.prepare_cached(&sql)?.query_row(parameters, read_run).optional()?)
}

fn kept_since(tx: &Connection) -> Result<Option<Timestamp>, LedgerError> {
    // Where all is gone that was recorded, whatever was planned may have gone with it.
    let mut statement = tx.prepare_cached(
        "SELECT coalesce((SELECT at FROM settlement ORDER BY id LIMIT 1), (SELECT max(mark) FROM \
         job)) FROM feed_pruned WHERE settlement > 0",
    )?;
    let kept_since: Option<Option<i64>> = statement.query_row([], |row| row.get(0)).optional()?;
    let instant = |at| {
        Timestamp::from_microsecond(at).map_err(|error| LedgerError::Corrupt(error.to_string()))
    };
    kept_since.flatten().map(instant).transpose()
}

fn places(
    tx: &Connection,
    job: &JobId,
    number: u64,
    at: Timestamp,
) -> Result<Vec<Place>, LedgerError> {
    let mut chunks = tx.prepare_cached(
        "SELECT c.id, c.size, c.state, c.ready_at, c.attempt, c.holder, c.lease_until, \
         c.open_members, c.run, c.first_ordinal
         FROM job j CROSS JOIN run r ON r.job = j.id CROSS JOIN chunk c ON c.run = r.id
         WHERE j.job_id = ?1 AND r.scheduled_at = ?2 AND c.first_tenant <= ?3 AND c.last_tenant >= \
         ?3 ORDER BY c.run, c.id",
    )?;
    let mut places = Vec::new();
    let mut rows = chunks.query(params![job.as_str(), micros(at), number as i64])?;
    while let Some(row) = rows.next()? {
        let (chunk, open): (ChunkStanding, Vec<OpenMember>) =
            (read_chunk(row)?, from_json(row, 7)?);
        let (run, first_ordinal): (RunId, i64) = (RunId(row.get(8)?), row.get(9)?);
        let work = match open.into_iter().find(|member| member.number == number) {
            Some(member) => Some((member.ordinal, WorkStanding::Open(member))),
            None => outcome(tx, run, first_ordinal, chunk.size, number)?,
        };
        let Some((ordinal, work)) = work else { continue };
        let failures = failures(tx, run, ordinal)?;
        let run = super::lists::run(tx, run)?
            .ok_or_else(|| LedgerError::Corrupt(format!("chunk {} has no run", chunk.id)))?;
        // Who was requeued is in two chunks of the run, and the later one tells (D6).
        places.retain(|place: &Place| place.run.id != run.id);
        places.push(Place { run, chunk, work, failures });
    }
    Ok(places)
}

/// A user's place and outcome among those that a chunk has in its run; `None` too while the user is
/// open in a later chunk.
fn outcome(
    tx: &Connection,
    run: RunId,
    first: i64,
    size: u64,
    number: u64,
) -> Result<Option<(u64, WorkStanding)>, LedgerError> {
    let sql = format!(
        "{OUTCOME} FROM outcome o {WITH_NAMES} WHERE o.run = ?1 AND o.ordinal >= ?2 AND o.ordinal \
         < ?2 + ?3 AND o.tenant = ?4"
    );
    let outcome = tx
        .prepare_cached(&sql)?
        .query_row(params![run.0, first, size as i64, number as i64], read_outcome)
        .optional()?;
    let ended = outcome.filter(|(_place, record)| record.status != StatusName::Requeued);
    Ok(ended.map(|((_run, ordinal), record)| (ordinal as u64, WorkStanding::Ended(record))))
}

/// The attempts at one place of a run that did not end it, and the failures that a requeue left.
fn failures(tx: &Connection, run: RunId, ordinal: u64) -> Result<Vec<FailedAttempt>, LedgerError> {
    let mut statement = tx.prepare_cached(
        "SELECT attempt, at, error FROM attempt WHERE run = ?1 AND ordinal = ?2
         UNION ALL SELECT attempts, finished_at, detail FROM requeued_outcome WHERE run = ?1 AND \
         ordinal = ?2 ORDER BY 1",
    )?;
    let failures = statement.query_map(params![run.0, ordinal as i64], |row| {
        Ok(FailedAttempt { attempt: row.get(0)?, at: instant(row, 1)?, error: row.get(2)? })
    })?;
    Ok(failures.collect::<Result<_, _>>()?)
}

fn read_chunk(row: &Row<'_>) -> rusqlite::Result<ChunkStanding> {
    let holder: Option<String> = row.get(5)?;
    let lease_until =
        row.get::<_, Option<i64>>(6)?.map(|until| micros_to_instant(6, until)).transpose()?;
    Ok(ChunkStanding {
        id: row.get(0)?,
        size: row.get::<_, i64>(1)? as u64,
        state: ChunkState::from_name(&row.get::<_, String>(2)?)
            .ok_or_else(|| unreadable(2, "no state"))?,
        ready_at: instant(row, 3)?,
        attempts: row.get(4)?,
        lease: holder.zip(lease_until),
    })
}
