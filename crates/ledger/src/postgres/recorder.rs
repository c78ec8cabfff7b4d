//! Settlements that wait together are recorded together: one transaction, few statements, one way
//! to the disk.
//!
//! ```text
//! settlement ┐
//! settlement ├─► chunks whose claim holds ─► their runs' counters ─► their outcomes ─► commit ─► answers
//! settlement ┘   one that does not: LostClaim, and nothing of it is written
//! ```
//!
//! The statement that writes the chunks decides who holds a claim (F3): what it answers is
//! recorded, and nothing else. Chunks and runs are held by ascending number, in every process. A
//! run's counters are raised where they stand, and whoever raises them to the number of its members
//! closes it: under READ COMMITTED the row is looked at anew after a wait, so that of many who
//! record at once exactly the last one closes it.
//!
//! What may fail: the connection breaks, or the server ends the transaction. The settlements are
//! then tried again for a while, since a chunk that is not recorded is done again. If the commit
//! had been stored and only its answer lost, the second attempt finds no claim: the answer is then
//! [`LedgerError::LostClaim`], and the record is right.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use cohort_database::statement::{execute, query};
use cohort_database::table::{Field, Kind, Table};
use cohort_database::{Connection, DatabaseError, Planning, Postgres, Transaction};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use super::{LedgerError, RunId, micros, news, record};
use crate::{ChunkResult, Counts, Outcome};

/// The most settlements of a transaction: bounds how long the first of them waits for the others.
const MOST_SETTLEMENTS: usize = 500;

/// Settlements that may wait before their callers do.
const MOST_WAITING: usize = 2 * MOST_SETTLEMENTS;

/// How often a transaction that failed for a reason that may pass is tried again, within about ten
/// seconds.
const MOST_TRIES: usize = 8;

/// A way to the queue; it ends with the last of them.
pub(super) type Queue = mpsc::Sender<Waiting>;

/// A settlement, and who waits for it.
pub(super) struct Waiting {
    settlement: ChunkResult,
    answer: oneshot::Sender<Result<(), LedgerError>>,
}

/// The connection that records; it is made when it is first needed and made anew when it has
/// broken.
struct Session {
    db: Postgres,
    connection: Option<Connection>,
}

/// A queue, and its other end for [`work`].
pub(super) fn queue() -> (Queue, mpsc::Receiver<Waiting>) {
    mpsc::channel(MOST_WAITING)
}

/// Puts a settlement into the queue and waits until it is committed.
pub(super) async fn wait(queue: &Queue, settlement: ChunkResult) -> Result<(), LedgerError> {
    let (answer, answered) = oneshot::channel();
    queue.send(Waiting { settlement, answer }).await.map_err(|_ended| DatabaseError::Closed)?;
    answered.await.map_err(|_ended| DatabaseError::Closed)?
}

/// Records what comes until nobody can send any more.
pub(super) async fn work(
    db: Postgres,
    mut waiting: mpsc::Receiver<Waiting>,
    told: watch::Sender<()>,
) {
    let mut session = Session { db, connection: None };
    let mut together = Vec::with_capacity(MOST_SETTLEMENTS);
    while waiting.recv_many(&mut together, MOST_SETTLEMENTS).await > 0 {
        let (settlements, answers): (Vec<_>, Vec<_>) =
            together.drain(..).map(|waiting| (waiting.settlement, waiting.answer)).unzip();
        let recorded = session.record_all(&settlements).await;
        // Who has gone away needs no answer.
        for (answer, result) in answers.into_iter().zip(recorded) {
            drop(answer.send(result));
        }
        told.send_replace(());
    }
}

impl Session {
    /// Records them together, and says of each what became of it. If something that stands in the
    /// ledger, or in one of them, keeps all of them from being recorded, each is recorded alone, so
    /// that it fails none but its own.
    async fn record_all(&mut self, settlements: &[ChunkResult]) -> Vec<Result<(), LedgerError>> {
        match self.record_with_patience(settlements).await {
            Ok(held) => answers(settlements, held),
            Err(error) if settlements.len() == 1 => vec![Err(error)],
            Err(LedgerError::Database(error)) if error.is_transient() => {
                let error = Arc::new(error);
                settlements
                    .iter()
                    .map(|_| Err(DatabaseError::Together(Arc::clone(&error)).into()))
                    .collect()
            }
            Err(_of_one) => {
                let mut recorded = Vec::with_capacity(settlements.len());
                for settlement in settlements {
                    recorded.push(self.record_alone(settlement).await);
                }
                recorded
            }
        }
    }

    async fn record_alone(&mut self, settlement: &ChunkResult) -> Result<(), LedgerError> {
        let held = self.record_with_patience(std::slice::from_ref(settlement)).await?;
        if held == [true] {
            Ok(())
        } else {
            Err(LedgerError::LostClaim { chunk: settlement.chunk })
        }
    }

    async fn record_with_patience(
        &mut self,
        settlements: &[ChunkResult],
    ) -> Result<Vec<bool>, LedgerError> {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(20))
            .with_max_times(MOST_TRIES)
            .with_jitter()
            .build();
        for pause in pauses {
            match self.record(settlements).await {
                Err(LedgerError::Database(error)) if error.is_transient() => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "outcomes could not be recorded; it is tried again"
                    );
                }
                recorded => return recorded,
            }
            tokio::time::sleep(pause).await;
        }
        self.record(settlements).await
    }

    /// Records all settlements whose claim holds, and says of each whether it did.
    async fn record(&mut self, settlements: &[ChunkResult]) -> Result<Vec<bool>, LedgerError> {
        let connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.db.connect(Planning::ByKeys).await?,
        };
        let tx = self.connection.insert(connection).transaction().await?;
        let held = settle_chunks(&tx, settlements).await?;
        let recorded: Vec<&ChunkResult> = settlements
            .iter()
            .zip(&held)
            .filter(|(_, held)| **held)
            .map(|(settlement, _)| settlement)
            .collect();
        insert_attempts(&tx, &recorded).await?;
        let ended: Vec<&ChunkResult> =
            recorded.iter().copied().filter(|settlement| !settlement.outcomes.is_empty()).collect();
        if !ended.is_empty() {
            count_outcomes(&tx, &ended).await?;
            let numbers = record::insert_settlements(&tx, &ended).await?;
            insert_outcomes(&tx, &ended, &numbers).await?;
        }
        if let Some(ready) = recorded.iter().find(|settlement| settlement.is_ready_at_once()) {
            news::tell(&tx, self.db.schema(), Some(ready.run)).await?;
        }
        tx.commit().await?;
        Ok(held)
    }
}

/// What each settlement is told: that it is recorded, or that its claim had passed on.
fn answers(settlements: &[ChunkResult], held: Vec<bool>) -> Vec<Result<(), LedgerError>> {
    let answer = |(held, settlement): (bool, &ChunkResult)| {
        if held { Ok(()) } else { Err(LedgerError::LostClaim { chunk: settlement.chunk }) }
    };
    held.into_iter().zip(settlements).map(answer).collect()
}

/// Takes the settled members out of the chunks whose claims still hold (F3), and says which these
/// were.
pub(super) async fn settle_chunks(
    tx: &Transaction<'_>,
    settlements: &[ChunkResult],
) -> Result<Vec<bool>, DatabaseError> {
    let mut rows: [Vec<i64>; 4] = Default::default();
    let (mut states, mut open): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    for settlement in settlements {
        let (state, members, ready_at) = settlement.rest_of_chunk();
        let columns =
            [settlement.chunk, settlement.token, settlement.attempts.into(), micros(ready_at)];
        rows.iter_mut().zip(columns).for_each(|(column, value)| column.push(value));
        states.push(state);
        open.push(members);
    }
    let [chunks, tokens, attempts, ready_at] = rows;
    // Of two settlements under one claim one is taken, like of any two rows that would change one
    // row.
    let settle = "UPDATE chunk SET state = held.state, open_members = held.open_members, ready_at \
        = held.ready_at, attempt = held.attempt,
                holder = NULL, lease_until = NULL, turn = 0
         FROM (SELECT settled.* FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], \
         $4::bigint[], $5::text[], $6::text[]) WITH ORDINALITY
                   AS settled (id, token, attempt, ready_at, state, open_members, place)
               JOIN chunk ON chunk.id = settled.id ORDER BY chunk.id FOR UPDATE OF chunk) held
         WHERE chunk.id = held.id AND chunk.token = held.token AND chunk.state = 'claimed' \
         RETURNING held.place";
    let held = query(tx, settle, &[&chunks, &tokens, &attempts, &ready_at, &states, &open]).await?;
    let mut is_held = vec![false; settlements.len()];
    for row in held {
        is_held[row.get::<_, i64>(0) as usize - 1] = true;
    }
    Ok(is_held)
}

const ATTEMPTS: Table<6> = Table {
    name: "attempt",
    columns: [
        ("run", Kind::Number),
        ("ordinal", Kind::Number),
        ("tenant", Kind::Number),
        ("at", Kind::Number),
        ("attempt", Kind::Integer),
        ("error", Kind::Text),
    ],
};

async fn insert_attempts(
    tx: &Transaction<'_>,
    recorded: &[&ChunkResult],
) -> Result<(), DatabaseError> {
    let said: Vec<_> = recorded
        .iter()
        .flat_map(|settlement| {
            settlement
                .retried
                .iter()
                .map(|retried| (*settlement, retried, storable(retried.error.as_deref())))
        })
        .collect();
    let rows = said.iter().map(|(settlement, retried, error)| {
        Ok::<_, DatabaseError>([
            Field::Number(Some(settlement.run.0)),
            Field::Number(Some(retried.ordinal as i64)),
            Field::Number(Some(retried.number as i64)),
            Field::Number(Some(micros(settlement.at))),
            Field::Integer(retried.attempt as i32),
            Field::Text(error.as_deref()),
        ])
    });
    ATTEMPTS.insert(tx, rows).await
}

/// Raises the counters of the runs, and closes those that have their last outcome.
async fn count_outcomes(tx: &Transaction<'_>, ended: &[&ChunkResult]) -> Result<(), DatabaseError> {
    let mut runs: BTreeMap<RunId, (Counts, Timestamp)> = BTreeMap::new();
    for settlement in ended {
        let (counts, at) = runs.entry(settlement.run).or_insert((Counts::default(), settlement.at));
        let more = Counts::of(&settlement.outcomes);
        counts.succeeded += more.succeeded;
        counts.failed += more.failed;
        counts.skipped += more.skipped;
        *at = settlement.at.max(*at);
    }
    let ids: Vec<i64> = runs.keys().map(|run| run.0).collect();
    if ids.len() > 1 {
        execute(tx, "SELECT FROM run WHERE id = ANY($1) ORDER BY id FOR UPDATE", &[&ids]).await?;
    }
    let is_last = "state = 'processing' AND run.succeeded + run.failed + run.skipped + \
        more.succeeded + more.failed + more.skipped = members + unread";
    let count = format!(
        "UPDATE run SET succeeded = run.succeeded + more.succeeded, failed = run.failed + \
         more.failed, skipped = run.skipped + more.skipped,
                state = CASE WHEN {is_last} THEN 'closed' ELSE state END, closed_at = CASE WHEN \
                {is_last} THEN more.at ELSE closed_at END
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS more \
         (id, succeeded, failed, skipped, at)
         WHERE run.id = more.id"
    );
    let column = |of: fn(&Counts) -> u64| {
        runs.values().map(|(counts, _)| of(counts) as i64).collect::<Vec<_>>()
    };
    let at: Vec<i64> = runs.values().map(|(_, at)| micros(*at)).collect();
    execute(
        tx,
        &count,
        &[&ids, &column(|c| c.succeeded), &column(|c| c.failed), &column(|c| c.skipped), &at],
    )
    .await?;
    Ok(())
}

const OUTCOMES: Table<13> = Table {
    name: "outcome",
    columns: [
        ("run", Kind::Number),
        ("ordinal", Kind::Number),
        ("tenant", Kind::Number),
        ("chunk", Kind::Number),
        ("finished_at", Kind::Number),
        ("preference_version", Kind::Number),
        ("settlement", Kind::Number),
        ("status", Kind::Integer),
        ("attempts", Kind::Integer),
        ("stale", Kind::Flag),
        ("reason", Kind::Text),
        ("detail", Kind::Text),
        ("result", Kind::Text),
    ],
};

/// What is done with the outcome of a user who has one: it takes the place of one that was
/// requeued. Any other stays (D2).
const WHERE_REQUEUED: &str = "ON CONFLICT (run, ordinal) DO UPDATE SET chunk = excluded.chunk, \
    finished_at = excluded.finished_at,
        preference_version = excluded.preference_version, settlement = excluded.settlement, status \
        = excluded.status,
        attempts = excluded.attempts, stale = excluded.stale, reason = excluded.reason, detail = \
        excluded.detail, result = excluded.result
    WHERE outcome.status = 3";

async fn insert_outcomes(
    tx: &Transaction<'_>,
    ended: &[&ChunkResult],
    numbers: &[i64],
) -> Result<(), LedgerError> {
    let with_numbers = ended.iter().zip(numbers);
    let rows: Vec<OutcomeRow<'_>> =
        with_numbers.flat_map(|(settlement, number)| OutcomeRow::of(settlement, *number)).collect();
    let recorded = OUTCOMES
        .insert_or(tx, rows.iter().map(|row| Ok::<_, DatabaseError>(row.fields())), WHERE_REQUEUED)
        .await?;
    if recorded == rows.len() as u64 {
        Ok(())
    } else {
        Err(LedgerError::Corrupt("a user of these chunks has an outcome already".into()))
    }
}

/// An outcome on its way into the table.
struct OutcomeRow<'a> {
    settlement: &'a ChunkResult,
    number: i64,
    outcome: &'a Outcome,
    detail: Option<String>,
    result: Option<String>,
}

impl<'a> OutcomeRow<'a> {
    /// The outcomes of the settlement with this number.
    fn of(settlement: &'a ChunkResult, number: i64) -> impl Iterator<Item = Self> {
        settlement.outcomes.iter().map(move |outcome| {
            let detail = storable(outcome.detail.as_deref());
            Self {
                settlement,
                number,
                outcome,
                detail,
                result: outcome.result.as_ref().map(Value::to_string),
            }
        })
    }

    fn fields(&self) -> [Field<'_>; 13] {
        let Self { settlement, number, outcome, detail, result } = self;
        [
            Field::Number(Some(settlement.run.0)),
            Field::Number(Some(outcome.ordinal as i64)),
            Field::Number(Some(outcome.number as i64)),
            Field::Number(Some(settlement.chunk)),
            Field::Number(Some(micros(settlement.at))),
            Field::Number(outcome.preference_version.map(|version| version as i64)),
            Field::Number(Some(*number)),
            Field::Integer(outcome.status.name().code() as i32),
            Field::Integer(outcome.attempts as i32),
            Field::Flag(outcome.stale),
            Field::Text(outcome.status.reason()),
            Field::Text(detail.as_deref()),
            Field::Text(result.as_deref()),
        ]
    }
}

/// No text of PostgreSQL holds the character NUL.
fn storable(text: Option<&str>) -> Option<String> {
    text.map(|text| text.replace('\0', "\u{fffd}"))
}
