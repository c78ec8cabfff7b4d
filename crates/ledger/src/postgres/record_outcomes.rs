//! Records what attempts made of chunks, on PostgreSQL: several chunks by one transaction, with a
//! few statements for all of them.
//!
//! The statement that writes the chunks decides who holds a claim (F3): what it returns is
//! recorded, and nothing else. Chunks and runs are locked by ascending number, in every process. A
//! run's counters are raised where they stand, and whoever raises them to the number of its members
//! closes the run: under READ COMMITTED the row is looked at anew after a wait, so that of many who
//! record at once exactly the last one closes it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cohort_database::table::{self, Field, Table};
use cohort_database::{DatabaseError, Transaction};
use jiff::Timestamp;

use super::named::{execute, named, query};
use crate::rows::{AttemptRow, Kind, OutcomeRow, Value, instead_of_requeued, micros};
use crate::states::{CLAIMED, CLOSED, PROCESSING};
use crate::{ChunkResult, Counts, LedgerError, RunId};

/// Records all results whose claims hold, and returns for each whether its claim did.
pub(super) async fn record_outcomes(
    tx: &Transaction<'_>,
    results: &[ChunkResult],
) -> Result<Vec<bool>, LedgerError> {
    let held = end_claims(tx, results).await?;
    let recorded: Vec<&ChunkResult> =
        results.iter().zip(&held).filter(|(_, held)| **held).map(|(result, _)| result).collect();
    insert_attempts(tx, &recorded).await?;
    let ended: Vec<Counted<'_>> =
        recorded.iter().filter_map(|result| Some((*result, result.ordinals()?))).collect();
    if !ended.is_empty() {
        count_outcomes(tx, &ended).await?;
        let feed_entries = insert_feed_entries(tx, &ended).await?;
        insert_outcomes(tx, &ended, &feed_entries).await?;
    }
    Ok(held)
}

/// A result with outcomes, and the first and the last place of these.
type Counted<'a> = (&'a ChunkResult, (u64, u64));

/// Ends the claims that still hold (F3): each chunk is ready for the members that are left, or
/// done. Returns for each whether its claim held.
pub(super) async fn end_claims(
    tx: &Transaction<'_>,
    results: &[ChunkResult],
) -> Result<Vec<bool>, DatabaseError> {
    let count = results.len();
    let (mut states, mut open_members) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut ready_at = Vec::with_capacity(count);
    for result in results {
        let after = result.chunk_after();
        states.push(after.state.as_str());
        open_members.push(after.open_members);
        ready_at.push(micros(after.ready_at));
    }
    // Of two results under one claim one is taken, as of any two rows that would change one row.
    let sql = format!(
        "UPDATE chunk
         SET state = held.state,
             open_members = held.open_members,
             ready_at = held.ready_at,
             attempt = held.attempts,
             holder = NULL,
             lease_until = NULL,
             turn = 0
         FROM (
             SELECT result.*
             FROM unnest(
                 :chunks::bigint[], :tokens::bigint[], :attempts::bigint[], :ready_at::bigint[],
                 :states::text[], :open_members::text[]
             ) WITH ORDINALITY AS result (
                 chunk, token, attempts, ready_at, state, open_members, place
             )
             JOIN chunk ON chunk.id = result.chunk
             ORDER BY chunk.id
             FOR UPDATE OF chunk
         ) held
         WHERE chunk.id = held.chunk AND chunk.token = held.token AND chunk.state = '{CLAIMED}'
         RETURNING held.place"
    );
    let column = |of: fn(&ChunkResult) -> i64| results.iter().map(of).collect::<Vec<_>>();
    let values = named! {
        chunks: column(|result| result.chunk),
        tokens: column(|result| result.token),
        attempts: column(|result| result.attempts.into()),
        ready_at: ready_at,
        states: states,
        open_members: open_members,
    };
    let mut is_held = vec![false; count];
    for row in query(tx, &sql, values).await? {
        is_held[row.get::<_, i64>("place") as usize - 1] = true;
    }
    Ok(is_held)
}

async fn insert_attempts(
    tx: &Transaction<'_>,
    recorded: &[&ChunkResult],
) -> Result<(), DatabaseError> {
    let rows: Vec<AttemptRow<'_>> =
        recorded.iter().flat_map(|result| AttemptRow::all_of(result, without_nul)).collect();
    let fields = rows.iter().map(|row| Ok::<_, DatabaseError>(row.values().map(Field::from)));
    table(AttemptRow::TABLE, AttemptRow::COLUMNS).insert(tx, fields).await
}

/// Raises the counters of the runs, and closes those that have their last outcome.
async fn count_outcomes(tx: &Transaction<'_>, ended: &[Counted<'_>]) -> Result<(), DatabaseError> {
    let mut runs: BTreeMap<RunId, (Counts, Timestamp)> = BTreeMap::new();
    for (result, _) in ended {
        let (counts, at) = runs.entry(result.run).or_insert((Counts::default(), result.at));
        *counts = counts.with(Counts::of(&result.outcomes));
        *at = result.at.max(*at);
    }
    let ids: Vec<i64> = runs.keys().map(|run| run.0).collect();
    if ids.len() > 1 {
        let lock = "SELECT FROM run WHERE id = ANY(:runs) ORDER BY id FOR UPDATE";
        execute(tx, lock, named! { runs: ids }).await?;
    }
    let is_last = format!(
        "state = '{PROCESSING}'
             AND run.succeeded + run.failed + run.skipped
                 + more.succeeded + more.failed + more.skipped = members + unread"
    );
    let sql = format!(
        "UPDATE run
         SET succeeded = run.succeeded + more.succeeded,
             failed = run.failed + more.failed,
             skipped = run.skipped + more.skipped,
             state = CASE WHEN {is_last} THEN '{CLOSED}' ELSE state END,
             closed_at = CASE WHEN {is_last} THEN more.at ELSE closed_at END
         FROM unnest(
             :runs::bigint[], :succeeded::bigint[], :failed::bigint[], :skipped::bigint[],
             :at::bigint[]
         ) AS more (id, succeeded, failed, skipped, at)
         WHERE run.id = more.id"
    );
    let column = |of: fn(&Counts) -> u64| {
        runs.values().map(|(counts, _)| of(counts) as i64).collect::<Vec<_>>()
    };
    let values = named! {
        runs: ids,
        succeeded: column(|counts| counts.succeeded),
        failed: column(|counts| counts.failed),
        skipped: column(|counts| counts.skipped),
        at: runs.values().map(|(_, at)| micros(*at)).collect::<Vec<_>>(),
    };
    execute(tx, &sql, values).await?;
    Ok(())
}

/// Notes in the feed that outcomes were recorded, and returns the entries' numbers in the order of
/// the results.
async fn insert_feed_entries(
    tx: &Transaction<'_>,
    ended: &[Counted<'_>],
) -> Result<Vec<i64>, DatabaseError> {
    let column = |of: fn(&Counted<'_>) -> i64| ended.iter().map(of).collect::<Vec<_>>();
    let rows = query(
        tx,
        "INSERT INTO settlement (run, first_ordinal, last_ordinal, at)
         SELECT *
         FROM unnest(
             :runs::bigint[], :first_ordinals::bigint[], :last_ordinals::bigint[], :at::bigint[]
         )
         RETURNING id",
        named! {
            runs: column(|(result, _)| result.run.0),
            first_ordinals: column(|(_, (first, _last))| *first as i64),
            last_ordinals: column(|(_, (_first, last))| *last as i64),
            at: column(|(result, _)| micros(result.at)),
        },
    )
    .await?;
    // Rows are inserted, numbered and returned in the order of the arrays.
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

/// Records the outcomes of users who have none, or were requeued. Any other outcome stays as it is
/// (D2).
async fn insert_outcomes(
    tx: &Transaction<'_>,
    ended: &[Counted<'_>],
    feed_entries: &[i64],
) -> Result<(), LedgerError> {
    let rows: Vec<OutcomeRow<'_>> = ended
        .iter()
        .zip(feed_entries)
        .flat_map(|((result, _), entry)| OutcomeRow::all_of(result, *entry, without_nul))
        .collect();
    let fields = rows.iter().map(|row| Ok::<_, DatabaseError>(row.values().map(Field::from)));
    let recorded = table(OutcomeRow::TABLE, OutcomeRow::COLUMNS)
        .insert_or(tx, fields, &instead_of_requeued())
        .await?;
    if recorded == rows.len() as u64 {
        Ok(())
    } else {
        Err(LedgerError::Corrupt("a user of these chunks has an outcome already".into()))
    }
}

/// No text of PostgreSQL holds the character NUL.
fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

fn table<const N: usize>(name: &'static str, columns: [(&'static str, Kind); N]) -> Table<N> {
    Table { name, columns: columns.map(|(name, kind)| (name, kind.into())) }
}

impl From<Kind> for table::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Number => Self::Number,
            Kind::Integer => Self::Integer,
            Kind::Flag => Self::Flag,
            Kind::Text => Self::Text,
        }
    }
}

impl<'a> From<Value<'a>> for Field<'a> {
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Number(number) => Self::Number(number),
            Value::Integer(integer) => Self::Integer(integer),
            Value::Flag(flag) => Self::Flag(flag),
            Value::Text(text) => Self::Text(text),
        }
    }
}
