//! The outcome feed and the list of attempts, on PostgreSQL.
//!
//! Transactions commit in another order than they begin in, and numbers are given while they are
//! open. The feed's order is therefore the pair (transaction, settlement), and a page ends before
//! the oldest transaction that is still open: whatever that one records comes behind everything
//! that was shown (F7).

use async_trait::async_trait;
use cohort_database::statement::{query, query_one};
use cohort_database::{DatabaseError, Transaction};
use cohort_preferences::TenantId;
use tokio::sync::watch;
use tokio_postgres::Row;

use super::conditions::Conditions;
use super::lists::{OUTCOME, WITH_NAMES, read_outcome};
use super::{PostgresLedger, instant, micros, parsed, unreadable};
use crate::record::{
    AttemptQuery, AttemptRecord, AttemptStatus, FeedPage, FeedPosition, FeedSince, MOST_OUTCOMES,
    RecordLedger,
};
use crate::{ChunkResult, LedgerError, OutcomeRecord, RunId};

/// Settlements that are over: those of transactions that all are.
const IS_OVER: &str = "transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint";

#[async_trait]
impl RecordLedger for PostgresLedger {
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

/// Notes that outcomes were recorded, and answers the settlements' numbers in their order. Each has
/// outcomes.
pub(super) async fn insert_settlements(
    tx: &Transaction<'_>,
    settlements: &[&ChunkResult],
) -> Result<Vec<i64>, DatabaseError> {
    let ordinals = |settlement: &&ChunkResult| -> Vec<i64> {
        settlement.outcomes.iter().map(|outcome| outcome.ordinal as i64).collect()
    };
    let (first, last): (Vec<_>, Vec<_>) = settlements
        .iter()
        .map(ordinals)
        .map(|ordinals| (ordinals.iter().min().copied(), ordinals.iter().max().copied()))
        .unzip();
    let runs: Vec<i64> = settlements.iter().map(|settlement| settlement.run.0).collect();
    let at: Vec<i64> = settlements.iter().map(|settlement| micros(settlement.at)).collect();
    let rows = query(
        tx,
        "INSERT INTO settlement (run, first_ordinal, last_ordinal, at)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) RETURNING id",
        &[&runs, &first, &last, &at],
    )
    .await?;
    // Rows are put in, numbered and answered in the order of the arrays.
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn outcome_feed(
    tx: &Transaction<'_>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<FeedPage, LedgerError> {
    let incarnation: String = query_one(tx, "SELECT id FROM incarnation", &[]).await?.get(0);
    let mut last = start_of_feed(tx, FeedSince::read(cursor, &incarnation)?).await?;
    let limit = limit.clamp(1, MOST_OUTCOMES);
    let sql = format!(
        "SELECT transaction, id, run, first_ordinal, last_ordinal FROM settlement
         WHERE (transaction, id) > ($1, $2) AND {IS_OVER} ORDER BY transaction, id LIMIT $3"
    );
    let mut outcomes = Vec::new();
    for settlement in
        query(tx, &sql, &[&(last.transaction as i64), &last.settlement, &(limit as i64)]).await?
    {
        if outcomes.len() >= limit {
            break;
        }
        last = position(&settlement);
        outcomes.extend(outcomes_of(tx, &settlement).await?);
    }
    Ok(FeedPage { outcomes, next: last.cursor(&incarnation) })
}

/// The place of the settlement behind which a page begins.
async fn start_of_feed(
    tx: &Transaction<'_>,
    since: FeedSince,
) -> Result<FeedPosition, LedgerError> {
    let pruned =
        position(&query_one(tx, "SELECT transaction, settlement FROM feed_pruned", &[]).await?);
    let newest = format!(
        "SELECT transaction, id FROM settlement WHERE {IS_OVER} ORDER BY transaction DESC, id DESC \
         LIMIT 1"
    );
    let newest = query(tx, &newest, &[]).await?.first().map_or(pruned, position);
    match since {
        FeedSince::Oldest => Ok(pruned),
        FeedSince::Now => Ok(newest),
        FeedSince::Position(place) if (pruned..=newest).contains(&place) => Ok(place),
        FeedSince::Position(_) => Err(LedgerError::CursorGone),
    }
}

/// The position that a row begins with.
fn position(row: &Row) -> FeedPosition {
    FeedPosition { transaction: row.get::<_, i64>(0) as u64, settlement: row.get(1) }
}

/// The outcomes of a settlement, those that a requeue has left meanwhile included.
async fn outcomes_of(
    tx: &Transaction<'_>,
    settlement: &Row,
) -> Result<Vec<OutcomeRecord>, LedgerError> {
    let (id, run, first, last): (i64, i64, i64, i64) =
        (settlement.get(1), settlement.get(2), settlement.get(3), settlement.get(4));
    let mut rows = Vec::new();
    for table in ["outcome", "requeued_outcome"] {
        let sql = format!(
            "{OUTCOME} FROM {table} o {WITH_NAMES} WHERE o.run = $1 AND o.ordinal BETWEEN $2 AND \
             $3 AND o.settlement = $4 AND o.status <> 3"
        );
        rows.extend(query(tx, &sql, &[&run, &first, &last, &id]).await?);
    }
    rows.sort_by_key(|row| row.get::<_, i64>(1));
    rows.iter().map(read_outcome).collect()
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
    conditions.add_behind("(c.ordinal, c.attempt)", after.as_ref());
    conditions.add("t.tenant_id =", tenant.as_ref());
    let limit = conditions.place_of(&limit);
    // Of two rows of one attempt the earlier tells when it was.
    let sql = format!(
        "WITH called (ordinal, tenant, attempt, at, status, error) AS (
             SELECT ordinal, tenant, attempt::bigint, at, NULL::integer, error FROM attempt WHERE \
             run = {of_run}
             UNION ALL SELECT ordinal, tenant, attempts, finished_at, status, detail FROM \
             requeued_outcome WHERE run = {of_run}
             UNION ALL SELECT ordinal, tenant, attempts, finished_at, status, detail FROM outcome \
             WHERE run = {of_run} AND status IN (0, 1))
         SELECT DISTINCT ON (c.ordinal, c.attempt) c.ordinal, t.tenant_id, c.attempt, c.at, \
         c.status, c.error
         FROM called c JOIN tenant t ON t.number = c.tenant {} ORDER BY c.ordinal, c.attempt, c.at \
         LIMIT {limit}",
        conditions.sql()
    );
    let rows = query(tx, &sql, conditions.bound()).await?;
    let next = rows
        .last()
        .filter(|_| rows.len() == most)
        .map(|row| format!("{}:{}", row.get::<_, i64>(0), row.get::<_, i64>(2)));
    Ok((rows.iter().map(|row| read_attempt(run, row)).collect::<Result<_, _>>()?, next))
}

fn read_attempt(run: RunId, row: &Row) -> Result<AttemptRecord, LedgerError> {
    let status = match row.get::<_, Option<i32>>(4) {
        None => AttemptStatus::Retried,
        Some(0) => AttemptStatus::Succeeded,
        Some(1) => AttemptStatus::Failed,
        Some(other) => return Err(unreadable(row, 4, format!("the status {other} of an attempt"))),
    };
    Ok(AttemptRecord {
        run_id: run,
        tenant_id: parsed(row, 1)?,
        attempt: row.get::<_, i64>(2) as u32,
        at: instant(row.get(3))?,
        status,
        error: row.get(5),
    })
}
