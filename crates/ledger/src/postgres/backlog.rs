//! What waits, and claims of it, on PostgreSQL (D7).

use async_trait::async_trait;
use cohort_database::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::named::{named, query};
use super::row::{from_code, from_json, instant_or_none, parsed, place, small_number};
use super::{PostgresLedger, runs};
use crate::backlog::{BacklogLedger, Lane, Waiting};
use crate::columns::{CLAIMED_CHUNK, ClaimedColumns, RUN, RUNS};
use crate::lanes::{Claimable, WAITING, members_by, members_ever, select_waiting};
use crate::rows::micros;
use crate::run::{read_urgency, urgency};
use crate::states::{CLAIMED, READING};
use crate::{Chunk, Claim, LedgerError, Run, RunId};

/// Every lane that there may be.
const LANES: &str = "SELECT j.id, j.job_id, p.priority
    FROM job j
    CROSS JOIN (VALUES (0), (1), (2), (3)) AS p (priority)";

#[async_trait]
impl BacklogLedger for PostgresLedger {
    async fn backlog(&self, now: Timestamp) -> Result<Vec<Waiting>, LedgerError> {
        backlog(&*self.connection().await?, now).await
    }

    async fn coming(&self) -> Result<Vec<Waiting>, LedgerError> {
        coming(&*self.connection().await?).await
    }

    async fn next_run_to_read(
        &self,
        lane: &Lane,
        now: Timestamp,
    ) -> Result<Option<Run>, LedgerError> {
        next_run_to_read(&*self.connection().await?, lane, now).await
    }

    #[tracing::instrument(
        level = "debug",
        skip_all,
        fields(job = %lane.job, priority = ?lane.priority, limit)
    )]
    async fn claim_chunks(
        &self,
        lane: &Lane,
        claim: Claim,
        limit: usize,
    ) -> Result<Vec<Chunk>, LedgerError> {
        let connection = self.connection().await?;
        let mut chunks = claim_chunks(&*connection, lane, &claim, Claimable::ByAge, limit).await?;
        let room = limit - chunks.len();
        if room > 0 {
            chunks.extend(claim_chunks(&*connection, lane, &claim, Claimable::ByTurn, room).await?);
        }
        Ok(chunks)
    }

    async fn claim_ended(
        &self,
        lane: &Lane,
        claim: Claim,
        due_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Chunk>, LedgerError> {
        claim_ended(&*self.connection().await?, lane, &claim, due_before, limit).await
    }

    async fn claim_suspect(&self, lane: &Lane, claim: Claim) -> Result<Option<Chunk>, LedgerError> {
        let connection = self.connection().await?;
        Ok(claim_chunks(&*connection, lane, &claim, Claimable::Suspects, 1).await?.pop())
    }
}

async fn backlog(db: &impl GenericClient, now: Timestamp) -> Result<Vec<Waiting>, LedgerError> {
    let sql = select_waiting(&members_by(":now"), LANES);
    let rows = query(db, &sql, named! { now: micros(now) }).await?;
    let lanes = rows.iter().map(read_lane).collect::<Result<Vec<_>, _>>()?;
    Ok(lanes.into_iter().flatten().filter(|waiting| waiting.since <= now).collect())
}

async fn coming(db: &impl GenericClient) -> Result<Vec<Waiting>, LedgerError> {
    let rows = query(db, &select_waiting(&members_ever(), LANES), &[]).await?;
    let lanes = rows.iter().map(read_lane).collect::<Result<Vec<_>, _>>()?;
    Ok(lanes.into_iter().flatten().collect())
}

fn read_lane(row: &Row) -> Result<Vec<Waiting>, LedgerError> {
    let lane =
        Lane { job: parsed(row, "job_id")?, priority: from_code(row, "priority", read_urgency)? };
    let mut waiting = Vec::new();
    for (column, work) in WAITING {
        if let Some(since) = instant_or_none(row, column)? {
            waiting.push(Waiting { lane: lane.clone(), work, since });
        }
    }
    Ok(waiting)
}

async fn next_run_to_read(
    db: &impl GenericClient,
    lane: &Lane,
    now: Timestamp,
) -> Result<Option<Run>, LedgerError> {
    let sql = format!(
        "SELECT {RUN}
         FROM {RUNS}
         WHERE r.state = '{READING}'
             AND r.priority = :priority
             AND r.job = (SELECT id FROM job WHERE job_id = :job)
             AND r.read_after <= :now
         ORDER BY r.scheduled_at
         LIMIT 1"
    );
    let values = named! {
        priority: urgency(lane.priority),
        job: lane.job.as_str(),
        now: micros(now),
    };
    Ok(runs::select_runs(db, &sql, values).await?.pop())
}

/// The statement that claims such chunks of a lane. It passes over what another agent claims at the
/// same time. The chunks are chosen once (MATERIALIZED): otherwise the server might choose again
/// while it goes through them, and claim more than was asked for.
fn claiming(claimable: Claimable) -> String {
    let (condition, order) = (claimable.condition(), claimable.order());
    format!(
        "WITH free AS MATERIALIZED (
             SELECT id
             FROM chunk
             WHERE {condition}
                 AND priority = :priority
                 AND job = (SELECT id FROM job WHERE job_id = :job)
                 AND ready_at <= :now
             ORDER BY {order}
             LIMIT :limit
             FOR UPDATE SKIP LOCKED
         )
         UPDATE chunk
         SET state = '{CLAIMED}', holder = :holder, lease_until = :lease_until, token = token + 1
         FROM free
         WHERE chunk.id = free.id
         RETURNING {CLAIMED_CHUNK}"
    )
}

async fn claim_chunks(
    db: &impl GenericClient,
    lane: &Lane,
    claim: &Claim,
    claimable: Claimable,
    limit: usize,
) -> Result<Vec<Chunk>, LedgerError> {
    let values = named! {
        holder: claim.holder,
        lease_until: micros(claim.lease_until),
        priority: urgency(lane.priority),
        job: lane.job.as_str(),
        now: micros(claim.at),
        limit: limit as i64,
    };
    claimed(query(db, &claiming(claimable), values).await?)
}

async fn claim_ended(
    db: &impl GenericClient,
    lane: &Lane,
    claim: &Claim,
    due_before: Timestamp,
    limit: usize,
) -> Result<Vec<Chunk>, LedgerError> {
    let values = named! {
        holder: claim.holder,
        lease_until: micros(claim.lease_until),
        priority: urgency(lane.priority),
        job: lane.job.as_str(),
        now: micros(claim.at),
        limit: limit as i64,
        due_before: micros(due_before),
    };
    claimed(query(db, &claiming(Claimable::Ending), values).await?)
}

fn claimed(mut rows: Vec<Row>) -> Result<Vec<Chunk>, LedgerError> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns = ClaimedColumns::find(|name| place(first, name))?;
    // Rows are returned in no particular order.
    let order = [columns.turn, columns.ready_at, columns.id];
    rows.sort_by_key(|row| order.map(|column| row.get::<_, i64>(column)));
    rows.iter().map(|row| read_claimed(row, &columns)).collect()
}

fn read_claimed(row: &Row, columns: &ClaimedColumns) -> Result<Chunk, LedgerError> {
    Ok(Chunk {
        id: row.get(columns.id),
        run: RunId(row.get(columns.run)),
        open: from_json(row, columns.open_members)?,
        attempts: small_number(row, columns.attempt),
        token: row.get(columns.token),
        deaths: small_number(row, columns.deaths),
        split_from: row.get(columns.split_from),
    })
}
