//! What is known of one user at one instant, on PostgreSQL (A3).

use std::ops::Range;

use async_trait::async_trait;
use cohort_database::GenericClient;
use cohort_preferences::{JobId, PreferenceGroup};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::named::{named, query, query_opt};
use super::outcomes::select_outcomes;
use super::row::{from_json, from_name, instant, instant_or_none, number, small_number};
use super::{PostgresLedger, runs};
use crate::columns::{OUTCOME, RUN, RUN_JOB_TENANT, RUNS};
use crate::explain::{
    ChunkStanding, ExplainLedger, FailedAttempt, JobStanding, MemberStanding, RUNS_BY_HAND,
    WorkStanding,
};
use crate::rows::micros;
use crate::states::REQUEUED;
use crate::{ChunkState, FiringName, LedgerError, OpenMember, Pause, Run, RunId};

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

    async fn runs_by_hand(
        &self,
        job: &JobId,
        span: Range<Timestamp>,
    ) -> Result<Vec<Timestamp>, LedgerError> {
        runs_by_hand(&*self.connection().await?, job, &span).await
    }

    async fn member_standings(
        &self,
        job: &JobId,
        number: u64,
        at: Timestamp,
    ) -> Result<Vec<MemberStanding>, LedgerError> {
        let mut connection = self.connection().await?;
        member_standings(&connection.snapshot().await?, job, number, at).await
    }
}

async fn job_standing(
    db: &impl GenericClient,
    job: &JobId,
) -> Result<Option<JobStanding>, LedgerError> {
    let sql = "SELECT began, mark, paused_at, resumed_at FROM job WHERE job_id = :job";
    let row = query_opt(db, sql, named! { job: job.as_str() }).await?;
    let standing = |row: Row| {
        let until = instant_or_none(&row, "resumed_at")?;
        Ok(JobStanding {
            began: instant(&row, "began")?,
            planned_until: instant(&row, "mark")?,
            pause: instant_or_none(&row, "paused_at")?.map(|from| Pause { from, until }),
        })
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
        "SELECT {RUN}
         FROM {RUNS}
         WHERE j.job_id = :job
             AND r.frequency = :frequency
             AND r.time_key = :time_key
             AND r.timezone = :timezone
             AND r.nominal = :nominal"
    );
    let values = named! {
        job: job.as_str(),
        frequency: group.frequency().as_str(),
        time_key: group.time_key().to_string(),
        timezone: group.timezone().name(),
        nominal: nominal.to_string(),
    };
    Ok(runs::select_runs(db, &sql, values).await?.pop())
}

async fn kept_since(db: &impl GenericClient) -> Result<Option<Timestamp>, LedgerError> {
    // Where everything that was recorded is gone, whatever was planned may have gone with it.
    let row = query_opt(
        db,
        "SELECT coalesce(
             (SELECT at FROM settlement ORDER BY transaction, id LIMIT 1),
             (SELECT max(mark) FROM job)
         ) AS kept_since
         FROM feed_pruned
         WHERE settlement > 0",
        &[],
    )
    .await?;
    row.map_or(Ok(None), |row| instant_or_none(&row, "kept_since"))
}

async fn runs_by_hand(
    db: &impl GenericClient,
    job: &JobId,
    span: &Range<Timestamp>,
) -> Result<Vec<Timestamp>, LedgerError> {
    let newest = query(
        db,
        "SELECT DISTINCT r.scheduled_at
         FROM job j
         JOIN run r ON r.job = j.id
         WHERE j.job_id = :job
             AND r.scheduled_at >= :from
             AND r.scheduled_at < :until
             AND r.nominal_date IS NULL
         ORDER BY r.scheduled_at DESC
         LIMIT :most",
        named! {
            job: job.as_str(),
            from: micros(span.start),
            until: micros(span.end),
            most: RUNS_BY_HAND,
        },
    )
    .await?;
    newest.iter().rev().map(|row| instant(row, "scheduled_at")).collect()
}

async fn member_standings(
    db: &impl GenericClient,
    job: &JobId,
    number: u64,
    at: Timestamp,
) -> Result<Vec<MemberStanding>, LedgerError> {
    let chunks = query(
        db,
        "SELECT c.id, c.run, c.first_ordinal, c.size, c.state, c.ready_at, c.attempt, c.holder,
             c.lease_until, c.open_members
         FROM job j
         JOIN run r ON r.job = j.id
         JOIN chunk c ON c.run = r.id
         WHERE j.job_id = :job
             AND r.scheduled_at = :at
             AND c.first_tenant <= :tenant
             AND c.last_tenant >= :tenant
         ORDER BY c.run, c.id",
        named! { job: job.as_str(), at: micros(at), tenant: number as i64 },
    )
    .await?;
    let mut standings = Vec::new();
    for row in chunks {
        let chunk = read_chunk(&row)?;
        let open: Vec<OpenMember> = from_json(&row, "open_members")?;
        let (run, first): (RunId, i64) = (RunId(row.get("run")), row.get("first_ordinal"));
        let work = match open.into_iter().find(|member| member.number == number) {
            Some(member) => Some((member.ordinal, WorkStanding::Open(member))),
            None => outcome(db, run, first, chunk.size, number).await?,
        };
        let Some((ordinal, work)) = work else { continue };
        let failures = failures(db, run, ordinal).await?;
        let run = runs::run(db, run)
            .await?
            .ok_or_else(|| LedgerError::Corrupt(format!("chunk {} has no run", chunk.id)))?;
        // A user who was requeued is in two chunks of the run, and the later one counts (D6).
        standings.retain(|standing: &MemberStanding| standing.run.id != run.id);
        standings.push(MemberStanding { run, chunk, work, failures });
    }
    Ok(standings)
}

/// A user's place and outcome among the outcomes of a chunk; `None` too while the user is open in a
/// later chunk.
async fn outcome(
    db: &impl GenericClient,
    run: RunId,
    first: i64,
    size: u64,
    number: u64,
) -> Result<Option<(u64, WorkStanding)>, LedgerError> {
    let sql = format!(
        "SELECT {OUTCOME}
         FROM outcome o {RUN_JOB_TENANT}
         WHERE o.run = :run
             AND o.ordinal >= :first
             AND o.ordinal < :first + :size
             AND o.tenant = :tenant
             AND o.status <> {REQUEUED}"
    );
    let values = named! { run: run.0, first: first, size: size as i64, tenant: number as i64 };
    let outcome = select_outcomes(db, &sql, values).await?.pop();
    Ok(outcome.map(|((_run, ordinal), record)| (ordinal as u64, WorkStanding::Final(record))))
}

/// The attempts at one place of a run that did not end it, and the failures that a requeue kept.
async fn failures(
    db: &impl GenericClient,
    run: RunId,
    ordinal: u64,
) -> Result<Vec<FailedAttempt>, LedgerError> {
    let rows = query(
        db,
        "SELECT attempt, at, error
         FROM attempt
         WHERE run = :run AND ordinal = :ordinal
         UNION ALL
         SELECT attempts, finished_at, detail
         FROM requeued_outcome
         WHERE run = :run AND ordinal = :ordinal
         ORDER BY attempt",
        named! { run: run.0, ordinal: ordinal as i64 },
    )
    .await?;
    let failure = |row: &Row| {
        Ok(FailedAttempt {
            attempt: small_number(row, "attempt"),
            at: instant(row, "at")?,
            error: row.get("error"),
        })
    };
    rows.iter().map(failure).collect()
}

fn read_chunk(row: &Row) -> Result<ChunkStanding, LedgerError> {
    let (holder, lease_until): (Option<String>, _) =
        (row.get("holder"), instant_or_none(row, "lease_until")?);
    Ok(ChunkStanding {
        id: row.get("id"),
        size: number(row, "size"),
        state: from_name(row, "state", ChunkState::from_name)?,
        ready_at: instant(row, "ready_at")?,
        attempts: small_number(row, "attempt"),
        lease: holder.zip(lease_until),
    })
}
