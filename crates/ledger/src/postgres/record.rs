//! The outcome feed and the list of attempts, on PostgreSQL (F7).
//!
//! Transactions commit in another order than they begin in, and entries get their numbers while
//! their transactions are open. The order of the feed is therefore the pair (transaction, number),
//! and a page ends before the oldest transaction that is still open: whatever that transaction
//! records comes after everything that was shown.

use async_trait::async_trait;
use cohort_database::statement::query as query_by_place;
use cohort_database::{Fingerprint, Transaction};
use cohort_preferences::TenantId;
use tokio::sync::watch;
use tokio_postgres::Row;

use super::PostgresLedger;
use super::conditions::Conditions;
use super::named::{named, query, query_one, query_opt};
use super::outcomes::select_outcomes;
use super::row::{instant, number, parsed};
use crate::columns::{OUTCOME, RUN_JOB_TENANT};
use crate::feed::{FeedCursor, FeedPosition, FeedSince, MOST_OUTCOMES};
use crate::record::{AttemptQuery, AttemptRecord, AttemptStatus, FeedPage, RecordLedger};
use crate::states::{FAILED, REQUEUED, SUCCEEDED};
use crate::{LedgerError, OutcomeRecord, RunId};

/// That all transactions up to that of an entry are over.
const IS_OVER: &str = "transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint";

/// An entry of the feed: outcomes at these places of a run that were recorded together.
struct FeedEntry {
    position: FeedPosition,
    run: i64,
    first_ordinal: i64,
    last_ordinal: i64,
}

#[async_trait]
impl RecordLedger for PostgresLedger {
    #[tracing::instrument(level = "debug", skip_all, fields(limit))]
    async fn outcome_feed(
        &self,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<FeedPage, LedgerError> {
        let mut connection = self.connection().await?;
        outcome_feed(&connection.snapshot().await?, cursor.as_deref(), limit).await
    }

    fn recorded(&self) -> watch::Receiver<()> {
        self.recorded.subscribe()
    }

    async fn attempts(
        &self,
        run: RunId,
        query: AttemptQuery,
    ) -> Result<(Vec<AttemptRecord>, Option<String>), LedgerError> {
        let mut connection = self.connection().await?;
        attempts(&connection.snapshot().await?, run, &query).await
    }
}

async fn outcome_feed(
    tx: &Transaction<'_>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<FeedPage, LedgerError> {
    let incarnation: String = query_one(tx, "SELECT id FROM incarnation", &[]).await?.get("id");
    let mut last = start_of_feed(tx, FeedSince::read(cursor, &incarnation)?).await?;
    let limit = limit.clamp(1, MOST_OUTCOMES);
    let sql = format!(
        "SELECT transaction, id, run, first_ordinal, last_ordinal
         FROM settlement
         WHERE (transaction, id) > (:transaction, :id) AND {IS_OVER}
         ORDER BY transaction, id
         LIMIT :limit"
    );
    let values = named! {
        transaction: last.transaction as i64,
        id: last.entry,
        limit: limit as i64,
    };
    let mut outcomes = Vec::new();
    for row in query(tx, &sql, values).await? {
        if outcomes.len() >= limit {
            break;
        }
        let entry = read_entry(&row);
        last = entry.position;
        outcomes.extend(outcomes_of(tx, &entry).await?);
    }
    let next = FeedCursor { position: last, fingerprint: fingerprint(tx, last).await? };
    Ok(FeedPage { outcomes, next: next.text(&incarnation) })
}

/// The position at which a page begins.
async fn start_of_feed(
    tx: &Transaction<'_>,
    since: FeedSince,
) -> Result<FeedPosition, LedgerError> {
    let pruned =
        query_one(tx, "SELECT transaction, settlement AS id FROM feed_pruned", &[]).await?;
    let pruned = position(&pruned);
    let newest = format!(
        "SELECT transaction, id
         FROM settlement
         WHERE {IS_OVER}
         ORDER BY transaction DESC, id DESC
         LIMIT 1"
    );
    let newest = query_opt(tx, &newest, &[]).await?;
    let start = since.position(pruned, newest.as_ref().map_or(pruned, position))?;
    since.check(fingerprint(tx, start).await?, pruned)?;
    Ok(start)
}

/// By which the entry at a position is known again (F11); `None` if it is no longer kept.
async fn fingerprint(
    tx: &Transaction<'_>,
    at: FeedPosition,
) -> Result<Option<Fingerprint>, LedgerError> {
    let select = "SELECT run, first_ordinal, last_ordinal, at
        FROM settlement
        WHERE transaction = :transaction AND id = :entry";
    let values = named! { transaction: at.transaction as i64, entry: at.entry };
    let columns = ["run", "first_ordinal", "last_ordinal", "at"];
    let row = query_opt(tx, select, values).await?;
    Ok(row.map(|row| Fingerprint::of(&columns.map(|column| row.get(column)))))
}

/// The position after an entry.
fn position(row: &Row) -> FeedPosition {
    FeedPosition { transaction: number(row, "transaction"), entry: row.get("id") }
}

fn read_entry(row: &Row) -> FeedEntry {
    FeedEntry {
        position: position(row),
        run: row.get("run"),
        first_ordinal: row.get("first_ordinal"),
        last_ordinal: row.get("last_ordinal"),
    }
}

/// The outcomes of an entry, including those that a requeue has replaced since.
async fn outcomes_of(
    tx: &Transaction<'_>,
    entry: &FeedEntry,
) -> Result<Vec<OutcomeRecord>, LedgerError> {
    let mut outcomes = Vec::new();
    for table in ["outcome", "requeued_outcome"] {
        let sql = format!(
            "SELECT {OUTCOME}
             FROM {table} o {RUN_JOB_TENANT}
             WHERE o.run = :run
                 AND o.ordinal BETWEEN :first_ordinal AND :last_ordinal
                 AND o.settlement = :entry
                 AND o.status <> {REQUEUED}"
        );
        let values = named! {
            run: entry.run,
            first_ordinal: entry.first_ordinal,
            last_ordinal: entry.last_ordinal,
            entry: entry.position.entry,
        };
        outcomes.extend(select_outcomes(tx, &sql, values).await?);
    }
    outcomes.sort_by_key(|(place, _)| *place);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

async fn attempts(
    tx: &Transaction<'_>,
    run: RunId,
    wanted: &AttemptQuery,
) -> Result<(Vec<AttemptRecord>, Option<String>), LedgerError> {
    let (most, after) =
        (wanted.limit(), wanted.after()?.map(|(ordinal, attempt)| (ordinal, i64::from(attempt))));
    let (tenant, limit) = (wanted.tenant.as_ref().map(TenantId::as_str), most as i64);
    let mut conditions = Conditions::default();
    let of_run = conditions.place_of(&run.0);
    conditions.add_plain("c.attempt > 0");
    conditions.add_after("(c.ordinal, c.attempt)", after.as_ref());
    conditions.add("t.tenant_id =", tenant.as_ref());
    let limit = conditions.place_of(&limit);
    let restricted = conditions.sql();
    // Of two rows of one attempt the earlier says when it was.
    let sql = format!(
        "WITH called (ordinal, tenant, attempt, at, status, error) AS (
             SELECT ordinal, tenant, attempt::bigint, at, NULL::integer, error
             FROM attempt
             WHERE run = {of_run}
             UNION ALL
             SELECT ordinal, tenant, attempts, finished_at, status, detail
             FROM requeued_outcome
             WHERE run = {of_run}
             UNION ALL
             SELECT ordinal, tenant, attempts, finished_at, status, detail
             FROM outcome
             WHERE run = {of_run} AND status IN ({SUCCEEDED}, {FAILED})
         )
         SELECT DISTINCT ON (c.ordinal, c.attempt)
             c.ordinal, t.tenant_id, c.attempt, c.at, c.status, c.error
         FROM called c
         JOIN tenant t ON t.number = c.tenant
         {restricted}
         ORDER BY c.ordinal, c.attempt, c.at
         LIMIT {limit}"
    );
    let rows = query_by_place(tx, &sql, conditions.bound()).await?;
    let read = |row: &Row| Ok((row.get("ordinal"), read_attempt(run, row)?));
    let rows: Vec<(i64, AttemptRecord)> =
        rows.iter().map(read).collect::<Result<_, LedgerError>>()?;
    let next = rows
        .last()
        .filter(|_| rows.len() == most)
        .map(|(ordinal, record)| format!("{ordinal}:{}", record.attempt));
    Ok((rows.into_iter().map(|(_, record)| record).collect(), next))
}

fn read_attempt(run: RunId, row: &Row) -> Result<AttemptRecord, LedgerError> {
    Ok(AttemptRecord {
        run_id: run,
        tenant_id: parsed(row, "tenant_id")?,
        attempt: number(row, "attempt") as u32,
        at: instant(row, "at")?,
        status: AttemptStatus::from_outcome(row.get("status"))?,
        error: row.get("error"),
    })
}
