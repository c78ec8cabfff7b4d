//! What waits, and claims of it, on SQLite (D7).

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{RUN, SqliteLedger, from_json, instant, lists, micros, parsed, unreadable};
use crate::backlog::{BacklogLedger, Lane, Waiting, WaitingWork};
use crate::run::{read_urgency, urgency};
use crate::{Chunk, Claim, LedgerError, Run, RunId};

/// Every lane that there may be.
const LANES: &str = "(SELECT j.id, j.job_id, p.priority FROM job j CROSS JOIN (SELECT 0 AS \
    priority UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) p)";

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
impl BacklogLedger for SqliteLedger {
    async fn backlog(&self, now: Timestamp) -> Result<Vec<Waiting>, LedgerError> {
        self.db.read(move |tx| backlog(tx, now)).await
    }

    async fn coming(&self) -> Result<Vec<Waiting>, LedgerError> {
        self.db.read(coming).await
    }

    async fn next_run_to_read(
        &self,
        lane: &Lane,
        now: Timestamp,
    ) -> Result<Option<Run>, LedgerError> {
        let lane = lane.clone();
        self.db.read(move |tx| next_run_to_read(tx, &lane, now)).await
    }

    async fn claim_chunks(
        &self,
        lane: &Lane,
        claim: Claim,
        limit: usize,
    ) -> Result<Vec<Chunk>, LedgerError> {
        let lane = lane.clone();
        self.db
            .write(move |tx| {
                let mut chunks = claim_chunks(tx, &lane, &claim, Claimable::ByAge, limit)?;
                let room = limit - chunks.len();
                chunks.extend(claim_chunks(tx, &lane, &claim, Claimable::ByTurn, room)?);
                Ok(chunks)
            })
            .await
    }

    async fn claim_suspect(&self, lane: &Lane, claim: Claim) -> Result<Option<Chunk>, LedgerError> {
        let lane = lane.clone();
        self.db
            .write(move |tx| Ok(claim_chunks(tx, &lane, &claim, Claimable::Suspects, 1)?.pop()))
            .await
    }
}

fn backlog(tx: &Connection, now: Timestamp) -> Result<Vec<Waiting>, LedgerError> {
    let sql = format!(
        "SELECT l.job_id, l.priority,
                (SELECT read_after FROM run WHERE state = 'reading' AND priority = l.priority AND \
                job = l.id AND read_after <= ?1
                 ORDER BY scheduled_at LIMIT 1),
                {CHUNKS_SINCE}, {TURNS_SINCE}, {SUSPECTS_SINCE}
         FROM {LANES} l"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let lanes = statement.query_map([micros(now)], read_lane)?.collect::<Result<Vec<_>, _>>()?;
    Ok(lanes.into_iter().flatten().filter(|waiting| waiting.since <= now).collect())
}

fn coming(tx: &Connection) -> Result<Vec<Waiting>, LedgerError> {
    let sql = format!(
        "SELECT l.job_id, l.priority,
                (SELECT min(read_after) FROM run WHERE state = 'reading' AND priority = l.priority \
                AND job = l.id),
                {CHUNKS_SINCE}, {TURNS_SINCE}, {SUSPECTS_SINCE}
         FROM {LANES} l"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let lanes = statement.query_map([], read_lane)?.collect::<Result<Vec<_>, _>>()?;
    Ok(lanes.into_iter().flatten().collect())
}

fn read_lane(row: &Row<'_>) -> rusqlite::Result<Vec<Waiting>> {
    let lane = Lane {
        job: parsed(row, 0)?,
        priority: read_urgency(row.get(1)?).ok_or_else(|| unreadable(1, "no priority"))?,
    };
    let mut waiting = Vec::new();
    let kinds = [
        (2, WaitingWork::Members),
        (3, WaitingWork::Chunks),
        (4, WaitingWork::Chunks),
        (5, WaitingWork::Suspects),
    ];
    for (index, work) in kinds {
        if row.get::<_, Option<i64>>(index)?.is_some() {
            waiting.push(Waiting { lane: lane.clone(), work, since: instant(row, index)? });
        }
    }
    Ok(waiting)
}

fn next_run_to_read(
    tx: &Connection,
    lane: &Lane,
    now: Timestamp,
) -> Result<Option<Run>, LedgerError> {
    let sql = format!(
        "{RUN} WHERE r.state = 'reading' AND r.priority = ?1 AND r.job = (SELECT id FROM job WHERE \
         job_id = ?2) AND r.read_after <= ?3
         ORDER BY r.scheduled_at LIMIT 1"
    );
    let parameters = params![urgency(lane.priority), lane.job.as_str(), micros(now)];
    Ok(tx.prepare_cached(&sql)?.query_row(parameters, lists::read_run).optional()?)
}

fn claim_chunks(
    tx: &Connection,
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
    let mut statement = tx.prepare_cached(&format!(
        "UPDATE chunk SET state = 'claimed', holder = ?1, lease_until = ?2, token = token + 1
         WHERE id IN (SELECT id FROM chunk WHERE state = 'ready' AND {condition} AND priority = ?3
                        AND job = (SELECT id FROM job WHERE job_id = ?4) AND ready_at <= ?5
                      ORDER BY {order} LIMIT ?6)
         RETURNING id, run, open_members, attempt, token, deaths, split_from, turn, ready_at"
    ))?;
    let parameters = params![
        claim.holder,
        micros(claim.lease_until),
        urgency(lane.priority),
        lane.job.as_str(),
        micros(claim.at),
        limit as i64
    ];
    let rows = statement.query_map(parameters, |row| {
        let chunk = Chunk {
            id: row.get(0)?,
            run: RunId(row.get(1)?),
            open: from_json(row, 2)?,
            attempts: row.get(3)?,
            token: row.get(4)?,
            deaths: row.get(5)?,
            split_from: row.get(6)?,
        };
        Ok(((row.get(7)?, row.get(8)?, chunk.id), chunk))
    })?;
    // What is returned comes in no order.
    let chunks: BTreeMap<(i64, i64, i64), Chunk> = rows.collect::<Result<_, _>>()?;
    Ok(chunks.into_values().collect())
}
