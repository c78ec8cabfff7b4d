//! The outcome feed and the list of attempts, on SQLite (F7).
//!
//! Transactions come one after another, so that the numbers of entries are the order of the feed.

use async_trait::async_trait;
use cohort_database::Fingerprint;
use cohort_preferences::TenantId;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use tokio::sync::watch;

use super::SqliteLedger;
use super::outcomes::select_outcomes;
use super::row::{instant, parsed, unreadable};
use crate::columns::{OUTCOME, RUN_JOB_TENANT};
use crate::feed::{FeedCursor, FeedPosition, FeedSince, MOST_OUTCOMES};
use crate::record::{AttemptQuery, AttemptRecord, AttemptStatus, FeedPage, RecordLedger};
use crate::states::{FAILED, REQUEUED, SUCCEEDED};
use crate::{LedgerError, OutcomeRecord, RunId};

/// An entry of the feed: outcomes at these places of a run that were recorded together.
struct FeedEntry {
    id: i64,
    run: i64,
    first_ordinal: i64,
    last_ordinal: i64,
}

#[async_trait]
impl RecordLedger for SqliteLedger {
    #[tracing::instrument(level = "debug", skip_all, fields(limit))]
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

fn outcome_feed(
    tx: &Connection,
    cursor: Option<&str>,
    limit: usize,
) -> Result<FeedPage, LedgerError> {
    let incarnation: String =
        tx.prepare_cached("SELECT id FROM incarnation")?.query_row([], |row| row.get("id"))?;
    let mut last = start_of_feed(tx, FeedSince::read(cursor, &incarnation)?)?;
    let limit = limit.clamp(1, MOST_OUTCOMES);
    let mut entries = tx.prepare_cached(
        "SELECT id, run, first_ordinal, last_ordinal
         FROM settlement
         WHERE id > ?1
         ORDER BY id
         LIMIT ?2",
    )?;
    let mut rows = entries.query(params![last.entry, limit as i64])?;
    let mut outcomes = Vec::new();
    while let Some(row) = rows.next()?
        && outcomes.len() < limit
    {
        let entry = read_entry(row)?;
        last = position(entry.id);
        outcomes.extend(outcomes_of(tx, &entry)?);
    }
    let next = FeedCursor { position: last, fingerprint: fingerprint(tx, last)? };
    Ok(FeedPage { outcomes, next: next.text(&incarnation) })
}

/// The position at which a page begins.
fn start_of_feed(tx: &Connection, since: FeedSince) -> Result<FeedPosition, LedgerError> {
    let pruned = tx
        .prepare_cached("SELECT settlement FROM feed_pruned")?
        .query_row([], |row| row.get("settlement"))?;
    let newest = tx
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'settlement'")?
        .query_row([], |row| row.get("seq"))
        .optional()?;
    let start = since.position(position(pruned), position(newest.unwrap_or(0)))?;
    since.check(fingerprint(tx, start)?, position(pruned))?;
    Ok(start)
}

/// By which the entry at a position is known again (F11); `None` if it is no longer kept.
fn fingerprint(tx: &Connection, at: FeedPosition) -> Result<Option<Fingerprint>, LedgerError> {
    let mut select = tx.prepare_cached(
        "SELECT run, first_ordinal, last_ordinal, at FROM settlement WHERE id = ?1",
    )?;
    let values = select.query_row([at.entry], |row| {
        Ok([row.get("run")?, row.get("first_ordinal")?, row.get("last_ordinal")?, row.get("at")?])
    });
    Ok(values.optional()?.map(|values| Fingerprint::of(&values)))
}

/// The position after an entry.
fn position(entry: i64) -> FeedPosition {
    FeedPosition { transaction: 0, entry }
}

fn read_entry(row: &Row<'_>) -> rusqlite::Result<FeedEntry> {
    Ok(FeedEntry {
        id: row.get("id")?,
        run: row.get("run")?,
        first_ordinal: row.get("first_ordinal")?,
        last_ordinal: row.get("last_ordinal")?,
    })
}

/// The outcomes of an entry, including those that a requeue has replaced since.
fn outcomes_of(tx: &Connection, entry: &FeedEntry) -> Result<Vec<OutcomeRecord>, LedgerError> {
    let mut outcomes = Vec::new();
    for table in ["outcome", "requeued_outcome"] {
        let sql = format!(
            "SELECT {OUTCOME}
             FROM {table} o {RUN_JOB_TENANT}
             WHERE o.run = ?1
                 AND o.ordinal BETWEEN ?2 AND ?3
                 AND o.settlement = ?4
                 AND o.status <> {REQUEUED}"
        );
        let FeedEntry { id, run, first_ordinal, last_ordinal } = entry;
        outcomes.extend(select_outcomes(tx, &sql, params![run, first_ordinal, last_ordinal, id])?);
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
    // Of two rows of one attempt the earlier says when it was: SQLite takes the other columns from
    // the row that has the least instant.
    let mut statement = tx.prepare_cached(&format!(
        "WITH called (ordinal, tenant, attempt, at, status, error) AS (
             SELECT ordinal, tenant, attempt, at, NULL, error
             FROM attempt
             WHERE run = :run
             UNION ALL
             SELECT ordinal, tenant, attempts, finished_at, status, detail
             FROM requeued_outcome
             WHERE run = :run
             UNION ALL
             SELECT ordinal, tenant, attempts, finished_at, status, detail
             FROM outcome
             WHERE run = :run AND status IN ({SUCCEEDED}, {FAILED})
         )
         SELECT c.ordinal, t.tenant_id, c.attempt, min(c.at) AS at, c.status, c.error
         FROM called c
         JOIN tenant t ON t.number = c.tenant
         WHERE (c.ordinal, c.attempt) > (:after_ordinal, :after_attempt)
             AND c.attempt > 0
             AND (:tenant IS NULL OR t.tenant_id = :tenant)
         GROUP BY c.ordinal, c.attempt
         ORDER BY c.ordinal, c.attempt
         LIMIT :limit"
    ))?;
    let parameters = named_params! {
        ":run": run.0,
        ":after_ordinal": after_ordinal,
        ":after_attempt": after_attempt,
        ":tenant": query.tenant.as_ref().map(TenantId::as_str),
        ":limit": limit as i64,
    };
    let rows = statement
        .query_map(parameters, |row| Ok((row.get("ordinal")?, read_attempt(run, row)?)))?;
    let rows: Vec<(i64, AttemptRecord)> = rows.collect::<Result<_, _>>()?;
    let next = rows
        .last()
        .filter(|_| rows.len() == limit)
        .map(|(ordinal, record)| format!("{ordinal}:{}", record.attempt));
    Ok((rows.into_iter().map(|(_, record)| record).collect(), next))
}

fn read_attempt(run: RunId, row: &Row<'_>) -> rusqlite::Result<AttemptRecord> {
    let status = AttemptStatus::from_outcome(row.get("status")?);
    Ok(AttemptRecord {
        run_id: run,
        tenant_id: parsed(row, "tenant_id")?,
        attempt: row.get("attempt")?,
        at: instant(row, "at")?,
        status: match status {
            Ok(status) => status,
            Err(error) => return Err(unreadable(row.as_ref().column_index("status")?, error)),
        },
        error: row.get("error")?,
    })
}
