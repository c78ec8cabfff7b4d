//! What waits, and claims of it, on PostgreSQL (D7).

use async_trait::async_trait;
use cohort_database::GenericClient;
use cohort_database::statement::{query, query_opt};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::super::backlog::{BacklogLedger, Lane, Waiting, WaitingWork};
use super::super::{Chunk, Claim, LedgerError, Run, RunId, read_urgency, urgency};
use super::{PostgresLedger, RUN, from_json, instant_or_none, lists, micros, parsed, unreadable};

/// Every lane that there may be.
const LANES: &str = "(SELECT j.id, j.job_id, p.priority FROM job j CROSS JOIN (VALUES (0), (1), (2), (3)) AS p (priority)) l";

/// When the first chunk of a lane became ready, or the first suspect.
const CHUNKS_SINCE: &str =
    "(SELECT min(ready_at) FROM chunk WHERE state = 'ready' AND deaths = 0 AND priority = l.priority AND job = l.id)";
const SUSPECTS_SINCE: &str =
    "(SELECT min(ready_at) FROM chunk WHERE state = 'ready' AND deaths > 0 AND priority = l.priority AND job = l.id)";

/// Whether a chunk can be claimed as a suspect.
#[derive(Clone, Copy)]
enum Claimable {
    Suspects,
    Others,
}

#[async_trait]
impl BacklogLedger for PostgresLedger {
    async fn backlog(&self, now: Timestamp) -> Result<Vec<Waiting>, LedgerError> {
        backlog(&*self.connection().await?, now).await
    }

    async fn coming(&self) -> Result<Vec<Waiting>, LedgerError> {
        coming(&*self.connection().await?).await
    }

    async fn next_run_to_read(&self, lane: &Lane, now: Timestamp) -> Result<Option<Run>, LedgerError> {
        next_run_to_read(&*self.connection().await?, lane, now).await
    }

    async fn claim_chunks(&self, lane: &Lane, claim: Claim, limit: usize) -> Result<Vec<Chunk>, LedgerError> {
        claim_chunks(&*self.connection().await?, lane, &claim, Claimable::Others, limit).await
    }

    async fn claim_suspect(&self, lane: &Lane, claim: Claim) -> Result<Option<Chunk>, LedgerError> {
        Ok(claim_chunks(&*self.connection().await?, lane, &claim, Claimable::Suspects, 1).await?.pop())
    }
}

async fn backlog(db: &impl GenericClient, now: Timestamp) -> Result<Vec<Waiting>, LedgerError> {
    let sql = format!(
        "SELECT l.job_id, l.priority,
                (SELECT read_after FROM run WHERE state = 'reading' AND priority = l.priority AND job = l.id AND read_after <= $1
                 ORDER BY scheduled_at LIMIT 1),
                {CHUNKS_SINCE}, {SUSPECTS_SINCE}
         FROM {LANES}"
    );
    let lanes = query(db, &sql, &[&micros(now)]).await?.iter().map(read_lane).collect::<Result<Vec<_>, _>>()?;
    Ok(lanes.into_iter().flatten().filter(|waiting| waiting.since <= now).collect())
}

async fn coming(db: &impl GenericClient) -> Result<Vec<Waiting>, LedgerError> {
    let sql = format!(
        "SELECT l.job_id, l.priority,
                (SELECT min(read_after) FROM run WHERE state = 'reading' AND priority = l.priority AND job = l.id),
                {CHUNKS_SINCE}, {SUSPECTS_SINCE}
         FROM {LANES}"
    );
    let lanes = query(db, &sql, &[]).await?.iter().map(read_lane).collect::<Result<Vec<_>, _>>()?;
    Ok(lanes.into_iter().flatten().collect())
}

fn read_lane(row: &Row) -> Result<Vec<Waiting>, LedgerError> {
    let lane = Lane { job: parsed(row, 0)?, priority: read_urgency(row.get(1)).ok_or_else(|| unreadable(row, 1, "no priority"))? };
    let mut waiting = Vec::new();
    for (index, work) in [(2, WaitingWork::Members), (3, WaitingWork::Chunks), (4, WaitingWork::Suspects)] {
        if let Some(since) = instant_or_none(row.get(index))? {
            waiting.push(Waiting { lane: lane.clone(), work, since });
        }
    }
    Ok(waiting)
}

async fn next_run_to_read(db: &impl GenericClient, lane: &Lane, now: Timestamp) -> Result<Option<Run>, LedgerError> {
    let sql = format!(
        "{RUN} WHERE r.state = 'reading' AND r.priority = $1 AND r.job = (SELECT id FROM job WHERE job_id = $2) AND r.read_after <= $3
         ORDER BY r.scheduled_at LIMIT 1"
    );
    let row = query_opt(db, &sql, &[&urgency(lane.priority), &lane.job.as_str(), &micros(now)]).await?;
    row.as_ref().map(lists::read_run).transpose()
}

/// Passes over what another agent claims at the same time. The claim is looked at once (MATERIALIZED), or the server might choose
/// again while it goes through the chunks, and claim more than asked for.
async fn claim_chunks(
    db: &impl GenericClient,
    lane: &Lane,
    claim: &Claim,
    claimable: Claimable,
    limit: usize,
) -> Result<Vec<Chunk>, LedgerError> {
    let deaths = match claimable {
        Claimable::Suspects => "deaths > 0",
        Claimable::Others => "deaths = 0",
    };
    let sql = format!(
        "WITH free AS MATERIALIZED (
             SELECT id FROM chunk WHERE state = 'ready' AND {deaths} AND priority = $3
                                    AND job = (SELECT id FROM job WHERE job_id = $4) AND ready_at <= $5
             ORDER BY ready_at LIMIT $6 FOR UPDATE SKIP LOCKED)
         UPDATE chunk SET state = 'claimed', holder = $1, lease_until = $2, token = token + 1 FROM free WHERE chunk.id = free.id
         RETURNING chunk.id, run, open_members, attempt, token, deaths, split_from"
    );
    let bound: cohort_database::statement::Bound<'_> =
        &[&claim.holder, &micros(claim.lease_until), &urgency(lane.priority), &lane.job.as_str(), &micros(claim.at), &(limit as i64)];
    query(db, &sql, bound).await?.iter().map(read_claimed).collect()
}

fn read_claimed(row: &Row) -> Result<Chunk, LedgerError> {
    Ok(Chunk {
        id: row.get(0),
        run: RunId(row.get(1)),
        open: from_json(row, 2)?,
        attempts: row.get::<_, i32>(3) as u32,
        token: row.get(4),
        deaths: row.get::<_, i32>(5) as u32,
        split_from: row.get(6),
    })
}
