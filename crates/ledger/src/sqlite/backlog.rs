//! What waits, and claims of it, on SQLite (D7).

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Params, Row, Statement, named_params, params};

use super::row::{from_code, from_json, instant_or_none, parsed};
use super::{SqliteLedger, runs};
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
    CROSS JOIN (
        SELECT 0 AS priority UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3
    ) p";

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

    async fn claim_ended(
        &self,
        lane: &Lane,
        claim: Claim,
        due_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Chunk>, LedgerError> {
        let lane = lane.clone();
        self.db.write(move |tx| claim_ended(tx, &lane, &claim, due_before, limit)).await
    }

    async fn claim_suspect(&self, lane: &Lane, claim: Claim) -> Result<Option<Chunk>, LedgerError> {
        let lane = lane.clone();
        self.db
            .write(move |tx| Ok(claim_chunks(tx, &lane, &claim, Claimable::Suspects, 1)?.pop()))
            .await
    }
}

fn backlog(tx: &Connection, now: Timestamp) -> Result<Vec<Waiting>, LedgerError> {
    let mut statement = tx.prepare_cached(&select_waiting(&members_by("?1"), LANES))?;
    let lanes = statement.query_map([micros(now)], read_lane)?.collect::<Result<Vec<_>, _>>()?;
    Ok(lanes.into_iter().flatten().filter(|waiting| waiting.since <= now).collect())
}

fn coming(tx: &Connection) -> Result<Vec<Waiting>, LedgerError> {
    let mut statement = tx.prepare_cached(&select_waiting(&members_ever(), LANES))?;
    let lanes = statement.query_map([], read_lane)?.collect::<Result<Vec<_>, _>>()?;
    Ok(lanes.into_iter().flatten().collect())
}

fn read_lane(row: &Row<'_>) -> rusqlite::Result<Vec<Waiting>> {
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

fn next_run_to_read(
    tx: &Connection,
    lane: &Lane,
    now: Timestamp,
) -> Result<Option<Run>, LedgerError> {
    let sql = format!(
        "SELECT {RUN}
         FROM {RUNS}
         WHERE r.state = '{READING}'
             AND r.priority = ?1
             AND r.job = (SELECT id FROM job WHERE job_id = ?2)
             AND r.read_after <= ?3
         ORDER BY r.scheduled_at
         LIMIT 1"
    );
    let parameters = params![urgency(lane.priority), lane.job.as_str(), micros(now)];
    Ok(runs::select_runs(tx, &sql, parameters)?.pop())
}

/// The statement that claims such chunks of a lane.
fn claiming(claimable: Claimable) -> String {
    let (condition, order) = (claimable.condition(), claimable.order());
    format!(
        "UPDATE chunk
         SET state = '{CLAIMED}', holder = :holder, lease_until = :lease_until, token = token + 1
         WHERE id IN (
             SELECT id
             FROM chunk
             WHERE {condition}
                 AND priority = :priority
                 AND job = (SELECT id FROM job WHERE job_id = :job)
                 AND ready_at <= :now
             ORDER BY {order}
             LIMIT :limit
         )
         RETURNING {CLAIMED_CHUNK}"
    )
}

fn claim_chunks(
    tx: &Connection,
    lane: &Lane,
    claim: &Claim,
    claimable: Claimable,
    limit: usize,
) -> Result<Vec<Chunk>, LedgerError> {
    let mut statement = tx.prepare_cached(&claiming(claimable))?;
    let parameters = named_params! {
        ":holder": claim.holder,
        ":lease_until": micros(claim.lease_until),
        ":priority": urgency(lane.priority),
        ":job": lane.job.as_str(),
        ":now": micros(claim.at),
        ":limit": limit as i64,
    };
    claimed(&mut statement, parameters)
}

fn claim_ended(
    tx: &Connection,
    lane: &Lane,
    claim: &Claim,
    due_before: Timestamp,
    limit: usize,
) -> Result<Vec<Chunk>, LedgerError> {
    let mut statement = tx.prepare_cached(&claiming(Claimable::Ending))?;
    let parameters = named_params! {
        ":holder": claim.holder,
        ":lease_until": micros(claim.lease_until),
        ":priority": urgency(lane.priority),
        ":job": lane.job.as_str(),
        ":now": micros(claim.at),
        ":limit": limit as i64,
        ":due_before": micros(due_before),
    };
    claimed(&mut statement, parameters)
}

fn claimed(
    statement: &mut Statement<'_>,
    parameters: impl Params,
) -> Result<Vec<Chunk>, LedgerError> {
    let columns = ClaimedColumns::find(|name| statement.column_index(name))?;
    let rows = statement.query_map(parameters, |row| {
        let chunk = read_claimed(row, &columns)?;
        Ok(((row.get(columns.turn)?, row.get(columns.ready_at)?, chunk.id), chunk))
    })?;
    // Rows are returned in no particular order.
    let chunks: BTreeMap<(i64, i64, i64), Chunk> = rows.collect::<Result<_, _>>()?;
    Ok(chunks.into_values().collect())
}

fn read_claimed(row: &Row<'_>, columns: &ClaimedColumns) -> rusqlite::Result<Chunk> {
    Ok(Chunk {
        id: row.get(columns.id)?,
        run: RunId(row.get(columns.run)?),
        open: from_json(row, columns.open_members)?,
        attempts: row.get(columns.attempt)?,
        token: row.get(columns.token)?,
        deaths: row.get(columns.deaths)?,
        split_from: row.get(columns.split_from)?,
    })
}
