//! What waits, and claims of it, on PostgreSQL (D7).

use async_trait::async_trait;
use cohort_database::GenericClient;
use cohort_database::statement::{query, query_opt};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::{PostgresLedger, RUN, from_json, instant_or_none, lists, micros, parsed, unreadable};
use crate::backlog::{BacklogLedger, Lane, Waiting, WaitingWork};
use crate::run::{read_urgency, urgency};
use crate::{Chunk, Claim, LedgerError, Run, RunId};

/// Every lane that there may be.
const LANES: &str = "(SELECT j.id, j.job_id, p.priority FROM job j CROSS JOIN (VALUES (0), (1), \
    (2), (3)) AS p (priority)) l";

/// When the first chunk of a lane became ready that waits for no turn.
const CHUNKS_SINCE: &str = "(SELECT min(ready_at) FROM chunk WHERE state = 'ready' AND deaths = 0 \
    AND turn = 0 AND priority = l.priority AND job = l.id)";

/// Since when the chunk waits that is next by its turn.
const TURNS_SINCE: &str =
    "(SELECT ready_at FROM chunk WHERE state = 'ready' AND deaths = 0 AND turn > 0 AND priority = \
     l.priority AND job = l.id
     ORDER BY turn LIMIT 1)";

/// When the first suspect became ready.
const SUSPECTS_SINCE: &str = "(SELECT min(ready_at) FROM chunk WHERE state = 'ready' AND deaths > \
    0 AND priority = l.priority AND job = l.id)";

/// Which ready chunks, and which of them first.
#[derive(Clone, Copy)]
enum Claimable {
    Suspects,
    /// Those that wait for no turn.
    ByAge,
    ByTurn,
}

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

    async fn claim_suspect(&self, lane: &Lane, claim: Claim) -> Result<Option<Chunk>, LedgerError> {
        Ok(claim_chunks(&*self.connection().await?, lane, &claim, Claimable::Suspects, 1)
            .await?
            .pop())
    }
}

async fn backlog(db: &impl GenericClient, now: Timestamp) -> Result<Vec<Waiting>, LedgerError> {
    let sql = format!(
        "SELECT l.job_id, l.priority,
                (SELECT read_after FROM run WHERE state = 'reading' AND priority = l.priority AND \
                job = l.id AND read_after <= $1
                 ORDER BY scheduled_at LIMIT 1),
                {CHUNKS_SINCE}, {TURNS_SINCE}, {SUSPECTS_SINCE}
         FROM {LANES}"
    );
    let lanes = query(db, &sql, &[&micros(now)])
        .await?
        .iter()
        .map(read_lane)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(lanes.into_iter().flatten().filter(|waiting| waiting.since <= now).collect())
}

async fn coming(db: &impl GenericClient) -> Result<Vec<Waiting>, LedgerError> {
    let sql = format!(
        "SELECT l.job_id, l.priority,
                (SELECT min(read_after) FROM run WHERE state = 'reading' AND priority = l.priority \
                AND job = l.id),
                {CHUNKS_SINCE}, {TURNS_SINCE}, {SUSPECTS_SINCE}
         FROM {LANES}"
    );
    let lanes = query(db, &sql, &[]).await?.iter().map(read_lane).collect::<Result<Vec<_>, _>>()?;
    Ok(lanes.into_iter().flatten().collect())
}

fn read_lane(row: &Row) -> Result<Vec<Waiting>, LedgerError> {
    let lane = Lane {
        job: parsed(row, 0)?,
        priority: read_urgency(row.get(1)).ok_or_else(|| unreadable(row, 1, "no priority"))?,
    };
    let mut waiting = Vec::new();
    let kinds = [
        (2, WaitingWork::Members),
        (3, WaitingWork::Chunks),
        (4, WaitingWork::Chunks),
        (5, WaitingWork::Suspects),
    ];
    for (index, work) in kinds {
        if let Some(since) = instant_or_none(row.get(index))? {
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
        "{RUN} WHERE r.state = 'reading' AND r.priority = $1 AND r.job = (SELECT id FROM job WHERE \
         job_id = $2) AND r.read_after <= $3
         ORDER BY r.scheduled_at LIMIT 1"
    );
    let row =
        query_opt(db, &sql, &[&urgency(lane.priority), &lane.job.as_str(), &micros(now)]).await?;
    row.as_ref().map(lists::read_run).transpose()
}

/// Passes over what another agent claims at the same time. The claim is looked at once
/// (MATERIALIZED), or the server might choose again while it goes through the chunks, and claim
/// more than asked for.
async fn claim_chunks(
    db: &impl GenericClient,
    lane: &Lane,
    claim: &Claim,
    claimable: Claimable,
    limit: usize,
) -> Result<Vec<Chunk>, LedgerError> {
    let (condition, order) = match claimable {
        Claimable::Suspects => ("deaths > 0", "ready_at"),
        Claimable::ByAge => ("deaths = 0 AND turn = 0", "ready_at"),
        Claimable::ByTurn => ("deaths = 0 AND turn > 0", "turn"),
    };
    let sql = format!(
        "WITH free AS MATERIALIZED (
             SELECT id FROM chunk WHERE state = 'ready' AND {condition} AND priority = $3
                                    AND job = (SELECT id FROM job WHERE job_id = $4) AND ready_at \
                                    <= $5
             ORDER BY {order} LIMIT $6 FOR UPDATE SKIP LOCKED)
         UPDATE chunk SET state = 'claimed', holder = $1, lease_until = $2, token = token + 1 FROM \
         free WHERE chunk.id = free.id
         RETURNING chunk.id, run, open_members, attempt, token, deaths, split_from, turn, ready_at"
    );
    let bound: cohort_database::statement::Bound<'_> = &[
        &claim.holder,
        &micros(claim.lease_until),
        &urgency(lane.priority),
        &lane.job.as_str(),
        &micros(claim.at),
        &(limit as i64),
    ];
    let mut rows = query(db, &sql, bound).await?;
    // What is returned comes in no order.
    rows.sort_by_key(|row| (row.get::<_, i64>(7), row.get::<_, i64>(8), row.get::<_, i64>(0)));
    rows.iter().map(read_claimed).collect()
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
