//! What is known of one user at one instant, on SQLite (A3).

use std::ops::Range;

use async_trait::async_trait;
use cohort_preferences::{JobId, PreferenceGroup};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::outcomes::select_outcomes;
use super::row::{from_json, from_name, instant, instant_or_none, number};
use super::{SqliteLedger, runs};
use crate::columns::{OUTCOME, RUN, RUN_JOB_TENANT, RUNS};
use crate::explain::{
    ChunkStanding, ExplainLedger, FailedAttempt, JobStanding, MemberStanding, RUNS_BY_HAND,
    WorkStanding,
};
use crate::rows::micros;
use crate::states::REQUEUED;
use crate::{ChunkState, FiringName, LedgerError, OpenMember, Pause, Run, RunId};

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

    async fn runs_by_hand(
        &self,
        job: &JobId,
        span: Range<Timestamp>,
    ) -> Result<Vec<Timestamp>, LedgerError> {
        let job = job.clone();
        self.db.read(move |tx| runs_by_hand(tx, &job, &span)).await
    }

    async fn member_standings(
        &self,
        job: &JobId,
        number: u64,
        at: Timestamp,
    ) -> Result<Vec<MemberStanding>, LedgerError> {
        let job = job.clone();
        self.db.read(move |tx| member_standings(tx, &job, number, at)).await
    }
}

fn job_standing(tx: &Connection, job: &JobId) -> Result<Option<JobStanding>, LedgerError> {
    let mut statement =
        tx.prepare_cached("SELECT began, mark, paused_at, resumed_at FROM job WHERE job_id = ?1")?;
    let standing = statement.query_row([job.as_str()], |row| {
        let until = instant_or_none(row, "resumed_at")?;
        Ok(JobStanding {
            began: instant(row, "began")?,
            planned_until: instant(row, "mark")?,
            pause: instant_or_none(row, "paused_at")?.map(|from| Pause { from, until }),
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
        "SELECT {RUN}
         FROM {RUNS}
         WHERE j.job_id = :job
             AND r.frequency = :frequency
             AND r.time_key = :time_key
             AND r.timezone = :timezone
             AND r.nominal = :nominal"
    );
    let parameters = named_params! {
        ":job": job.as_str(),
        ":frequency": group.frequency().as_str(),
        ":time_key": group.time_key().to_string(),
        ":timezone": group.timezone().name(),
        ":nominal": nominal.to_string(),
    };
    Ok(runs::select_runs(tx, &sql, parameters)?.pop())
}

fn kept_since(tx: &Connection) -> Result<Option<Timestamp>, LedgerError> {
    // Where everything that was recorded is gone, whatever was planned may have gone with it.
    let mut statement = tx.prepare_cached(
        "SELECT coalesce(
             (SELECT at FROM settlement ORDER BY id LIMIT 1),
             (SELECT max(mark) FROM job)
         ) AS kept_since
         FROM feed_pruned
         WHERE settlement > 0",
    )?;
    let kept_since = statement.query_row([], |row| instant_or_none(row, "kept_since"));
    Ok(kept_since.optional()?.flatten())
}

fn runs_by_hand(
    tx: &Connection,
    job: &JobId,
    span: &Range<Timestamp>,
) -> Result<Vec<Timestamp>, LedgerError> {
    let mut statement = tx.prepare_cached(
        "SELECT DISTINCT r.scheduled_at
         FROM job j
         CROSS JOIN run r ON r.job = j.id
         WHERE j.job_id = ?1
             AND r.scheduled_at >= ?2
             AND r.scheduled_at < ?3
             AND r.nominal_date IS NULL
         ORDER BY r.scheduled_at DESC
         LIMIT ?4",
    )?;
    let parameters = params![job.as_str(), micros(span.start), micros(span.end), RUNS_BY_HAND];
    let newest = statement.query_map(parameters, |row| instant(row, "scheduled_at"))?;
    let mut instants: Vec<Timestamp> = newest.collect::<Result<_, _>>()?;
    instants.reverse();
    Ok(instants)
}

fn member_standings(
    tx: &Connection,
    job: &JobId,
    number: u64,
    at: Timestamp,
) -> Result<Vec<MemberStanding>, LedgerError> {
    let mut chunks = tx.prepare_cached(
        "SELECT c.id, c.run, c.first_ordinal, c.size, c.state, c.ready_at, c.attempt, c.holder,
             c.lease_until, c.open_members
         FROM job j
         CROSS JOIN run r ON r.job = j.id
         CROSS JOIN chunk c ON c.run = r.id
         WHERE j.job_id = ?1
             AND r.scheduled_at = ?2
             AND c.first_tenant <= ?3
             AND c.last_tenant >= ?3
         ORDER BY c.run, c.id",
    )?;
    let mut standings = Vec::new();
    let mut rows = chunks.query(params![job.as_str(), micros(at), number as i64])?;
    while let Some(row) = rows.next()? {
        let chunk = read_chunk(row)?;
        let open: Vec<OpenMember> = from_json(row, "open_members")?;
        let (run, first): (RunId, i64) = (RunId(row.get("run")?), row.get("first_ordinal")?);
        let work = match open.into_iter().find(|member| member.number == number) {
            Some(member) => Some((member.ordinal, WorkStanding::Open(member))),
            None => outcome(tx, run, first, chunk.size, number)?,
        };
        let Some((ordinal, work)) = work else { continue };
        let failures = failures(tx, run, ordinal)?;
        let run = runs::run(tx, run)?
            .ok_or_else(|| LedgerError::Corrupt(format!("chunk {} has no run", chunk.id)))?;
        // A user who was requeued is in two chunks of the run, and the later one counts (D6).
        standings.retain(|standing: &MemberStanding| standing.run.id != run.id);
        standings.push(MemberStanding { run, chunk, work, failures });
    }
    Ok(standings)
}

/// A user's place and outcome among the outcomes of a chunk; `None` too while the user is open in a
/// later chunk.
fn outcome(
    tx: &Connection,
    run: RunId,
    first: i64,
    size: u64,
    number: u64,
) -> Result<Option<(u64, WorkStanding)>, LedgerError> {
    let sql = format!(
        "SELECT {OUTCOME}
         FROM outcome o {RUN_JOB_TENANT}
         WHERE o.run = ?1
             AND o.ordinal >= ?2
             AND o.ordinal < ?2 + ?3
             AND o.tenant = ?4
             AND o.status <> {REQUEUED}"
    );
    let outcome =
        select_outcomes(tx, &sql, params![run.0, first, size as i64, number as i64])?.pop();
    Ok(outcome.map(|((_run, ordinal), record)| (ordinal as u64, WorkStanding::Final(record))))
}

/// The attempts at one place of a run that did not end it, and the failures that a requeue kept.
fn failures(tx: &Connection, run: RunId, ordinal: u64) -> Result<Vec<FailedAttempt>, LedgerError> {
    let mut statement = tx.prepare_cached(
        "SELECT attempt, at, error
         FROM attempt
         WHERE run = ?1 AND ordinal = ?2
         UNION ALL
         SELECT attempts, finished_at, detail
         FROM requeued_outcome
         WHERE run = ?1 AND ordinal = ?2
         ORDER BY attempt",
    )?;
    let failures = statement.query_map(params![run.0, ordinal as i64], |row| {
        Ok(FailedAttempt {
            attempt: row.get("attempt")?,
            at: instant(row, "at")?,
            error: row.get("error")?,
        })
    })?;
    Ok(failures.collect::<Result<_, _>>()?)
}

fn read_chunk(row: &Row<'_>) -> rusqlite::Result<ChunkStanding> {
    let (holder, lease_until): (Option<String>, _) =
        (row.get("holder")?, instant_or_none(row, "lease_until")?);
    Ok(ChunkStanding {
        id: row.get("id")?,
        size: number(row, "size")?,
        state: from_name(row, "state", ChunkState::from_name)?,
        ready_at: instant(row, "ready_at")?,
        attempts: row.get("attempt")?,
        lease: holder.zip(lease_until),
    })
}
