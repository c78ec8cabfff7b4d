//! The outcome feed and the list of attempts, on SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::watch;

use super::lists::{OUTCOME, WITH_NAMES, read_outcome};
use super::{SqliteLedger, instant, micros, parsed, unreadable};
use crate::record::{
    AttemptQuery, AttemptRecord, AttemptStatus, FeedPage, FeedPosition, FeedSince, MOST_OUTCOMES,
    RecordLedger,
};
use crate::{ChunkResult, LedgerError, OutcomeRecord, RunId};

#[async_trait]
impl RecordLedger for SqliteLedger {
    async fn outcome_feed(
        &self,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<FeedPage, LedgerError> {
        self.db.read(move |tx| outcome_feed(tx, cursor.as_deref(), limit)).await
    }

    fn recorded(&self) -> watch::Receiver<()> {
        self.commits.subscribe()
    }

    async fn attempts(
        &self,
        run: RunId,
        query: AttemptQuery,
    ) -> Result<(Vec<AttemptRecord>, Option<String>), LedgerError> {
        self.db.read(move |tx| attempts(tx, run, &query)).await
    }
}

/// Notes that outcomes were recorded, and answers the settlement's number.
pub(super) fn insert_settlement(
    tx: &Connection,
    settlement: &ChunkResult,
) -> Result<i64, LedgerError> {
    let ordinals = || settlement.outcomes.iter().map(|outcome| outcome.ordinal as i64);
    tx.prepare_cached(
        "INSERT INTO settlement (run, first_ordinal, last_ordinal, at) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![
        settlement.run.0,
        ordinals().min(),
        ordinals().max(),
        micros(settlement.at),
    ])?;
    Ok(tx.last_insert_rowid())
}

fn outcome_feed(
    tx: &Connection,
    cursor: Option<&str>,
    limit: usize,
) -> Result<FeedPage, LedgerError> {
    let incarnation: String =
        tx.prepare_cached("SELECT id FROM incarnation")?.query_row([], |row| row.get(0))?;
    let mut last = start_of_feed(tx, FeedSince::read(cursor, &incarnation)?)?;
    let mut settlements = tx.prepare_cached(
        "SELECT id, run, first_ordinal, last_ordinal FROM settlement WHERE id > \
            ?1 ORDER BY id LIMIT ?2",
    )?;
    let limit = limit.clamp(1, MOST_OUTCOMES);
    let mut rows = settlements.query(params![last, limit as i64])?;
    let mut outcomes = Vec::new();
    while let Some(row) = rows.next()?
        && outcomes.len() < limit
    {
        last = row.get(0)?;
        outcomes.extend(outcomes_of(tx, row)?);
    }
    Ok(FeedPage {
        outcomes,
        next: FeedPosition { transaction: 0, settlement: last }.cursor(&incarnation),
    })
}

/// The settlement behind which a page begins.
fn start_of_feed(tx: &Connection, since: FeedSince) -> Result<i64, LedgerError> {
    let pruned: i64 =
        tx.prepare_cached("SELECT settlement FROM feed_pruned")?.query_row([], |row| row.get(0))?;
    let newest: Option<i64> = tx
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'settlement'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let newest = newest.unwrap_or(0);
    match since {
        FeedSince::Oldest => Ok(pruned),
        FeedSince::Now => Ok(newest),
        FeedSince::Position(place) if (pruned..=newest).contains(&place.settlement) => {
            Ok(place.settlement)
        }
        FeedSince::Position(_) => Err(LedgerError::CursorGone),
    }
}

/// The outcomes of a settlement, those that a requeue has left meanwhile included.
fn outcomes_of(tx: &Connection, settlement: &Row<'_>) -> Result<Vec<OutcomeRecord>, LedgerError> {
    let (id, run, first, last): (i64, i64, i64, i64) =
        (settlement.get(0)?, settlement.get(1)?, settlement.get(2)?, settlement.get(3)?);
    let mut outcomes = Vec::new();
    for table in ["outcome", "requeued_outcome"] {
        let mut statement = tx.prepare_cached(&format!(
            "{OUTCOME} FROM {table} o {WITH_NAMES} WHERE o.run = ?1 AND o.ordinal BETWEEN ?2 AND \
             ?3 AND o.settlement = ?4 AND o.status <> 3"
        ))?;
        for row in statement.query_map(params![run, first, last, id], read_outcome)? {
            outcomes.push(row?);
        }
    }
    outcomes.sort_by_key(|(place, _)| *place);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

fn attempts(
    tx: &Connection,
    run: RunId,
    query: &AttemptQuery,
) -> Result<(Vec<AttemptRecord>, Option<String>), LedgerError> {
    let limit = query.limit();
    let (after_ordinal, after_attempt) = query.after()?.unwrap_or((-1, 0));
    let mut statement = tx.prepare_cached(
        "WITH called (ordinal, tenant, attempt, at, status, error) AS (
             SELECT ordinal, tenant, attempt, at, NULL, error FROM attempt WHERE run = ?1
             UNION ALL SELECT ordinal, tenant, attempts, finished_at, status, detail FROM \
             requeued_outcome WHERE run = ?1
             UNION ALL SELECT ordinal, tenant, attempts, finished_at, status, detail FROM outcome \
             WHERE run = ?1 AND status IN (0, 1))
         SELECT c.ordinal, t.tenant_id, c.attempt, min(c.at), c.status, c.error
         FROM called c JOIN tenant t ON t.number = c.tenant
         WHERE (c.ordinal, c.attempt) > (?2, ?3) AND c.attempt > 0 AND (?4 IS NULL OR t.tenant_id \
         = ?4)
         GROUP BY c.ordinal, c.attempt ORDER BY c.ordinal, c.attempt LIMIT ?5",
    )?;
    let tenant = query.tenant.as_ref().map(cohort_preferences::TenantId::as_str);
    let rows = statement.query_map(
        params![run.0, after_ordinal, after_attempt, tenant, limit as i64],
        |row| {
            let record = AttemptRecord {
                run_id: run,
                tenant_id: parsed(row, 1)?,
                attempt: row.get(2)?,
                at: instant(row, 3)?,
                status: read_status(row, 4)?,
                error: row.get(5)?,
            };
            Ok((row.get(0)?, record))
        },
    )?;
    let rows: Vec<(i64, AttemptRecord)> = rows.collect::<Result<_, _>>()?;
    let next = rows
        .last()
        .filter(|_| rows.len() == limit)
        .map(|(ordinal, record)| format!("{ordinal}:{}", record.attempt));
    Ok((rows.into_iter().map(|(_, record)| record).collect(), next))
}

fn read_status(row: &Row<'_>, index: usize) -> rusqlite::Result<AttemptStatus> {
    match row.get::<_, Option<i64>>(index)? {
        None => Ok(AttemptStatus::Retried),
        Some(0) => Ok(AttemptStatus::Succeeded),
        Some(1) => Ok(AttemptStatus::Failed),
        Some(other) => Err(unreadable(index, format!("the status {other} of an attempt"))),
    }
}
