//! The recorder: it records chunk results that wait together by one transaction, so that they share
//! one way to the disk.
//!
//! ```text
//! chunk result ┐
//! chunk result ├─► queue ─► record_outcomes ─► commit ─► to each caller: recorded, or LostClaim
//! chunk result ┘
//! ```
//!
//! What may fail: the connection breaks, or the server ends the transaction. The results are then
//! tried again for a while, since a chunk that is not recorded is done again. If the commit had
//! been stored and only the reply was lost, the second try finds no claim: the caller then gets
//! [`LedgerError::LostClaim`], and the record is right.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use cohort_database::{Connection, DatabaseError, Planning, Postgres};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::news;
use super::record_outcomes::record_outcomes;
use crate::{ChunkResult, LedgerError};

/// The most chunk results of a transaction: bounds how long the first of them waits for the others.
const MOST_RESULTS: usize = 500;

/// Chunk results that may wait before their callers have to wait to hand one in.
const MOST_WAITING: usize = 2 * MOST_RESULTS;

/// How often a transaction that failed for a reason that may pass is tried again, within about ten
/// seconds.
const MOST_TRIES: usize = 8;

/// When it is tried no more: a server that hangs takes as long as our limit to fail each try.
const LONGEST_PATIENCE: Duration = Duration::from_secs(10);

/// The way to the recorder, which ends with the last of these.
pub(super) type ToRecorder = mpsc::Sender<Handed>;

/// A chunk result that a caller has handed in and waits for.
pub(super) struct Handed {
    result: ChunkResult,
    reply: oneshot::Sender<Result<(), LedgerError>>,
}

/// Records with a connection of its own, which it makes when it first needs it and again when it
/// has broken.
struct Recorder {
    db: Postgres,
    connection: Option<Connection>,
}

/// The way to the recorder, and its other end for [`work`].
pub(super) fn queue() -> (ToRecorder, mpsc::Receiver<Handed>) {
    mpsc::channel(MOST_WAITING)
}

/// Hands a chunk result to the recorder, and waits until it is committed.
pub(super) async fn record(recorder: &ToRecorder, result: ChunkResult) -> Result<(), LedgerError> {
    let (reply, replied) = oneshot::channel();
    recorder.send(Handed { result, reply }).await.map_err(|_ended| DatabaseError::Closed)?;
    replied.await.map_err(|_ended| DatabaseError::Closed)?
}

/// Records what is handed in until nobody can hand in anything any more.
pub(super) async fn work(
    db: Postgres,
    mut waiting: mpsc::Receiver<Handed>,
    recorded: watch::Sender<()>,
) {
    let mut recorder = Recorder { db, connection: None };
    let mut together = Vec::with_capacity(MOST_RESULTS);
    while waiting.recv_many(&mut together, MOST_RESULTS).await > 0 {
        let (results, replies): (Vec<_>, Vec<_>) =
            together.drain(..).map(|handed| (handed.result, handed.reply)).unzip();
        let ends = recorder.record_all(&results).await;
        // A caller that has gone away needs no reply.
        for (reply, end) in replies.into_iter().zip(ends) {
            drop(reply.send(end));
        }
        recorded.send_replace(());
    }
}

impl Recorder {
    /// Records the results together, and returns for each whether it is recorded. If something that
    /// stands in the ledger, or in one of the results, keeps all of them from being recorded, each
    /// is recorded alone, so that it fails for itself only.
    async fn record_all(&mut self, results: &[ChunkResult]) -> Vec<Result<(), LedgerError>> {
        match self.record_with_patience(results).await {
            Ok(held) => held.into_iter().zip(results).map(recorded_if).collect(),
            Err(error) if results.len() == 1 => vec![Err(error)],
            Err(LedgerError::Database(error)) if error.is_transient() => {
                let error = Arc::new(error);
                let failed = |_| Err(DatabaseError::Together(Arc::clone(&error)).into());
                results.iter().map(failed).collect()
            }
            Err(_of_one) => {
                let mut recorded = Vec::with_capacity(results.len());
                for result in results {
                    recorded.push(self.record_alone(result).await);
                }
                recorded
            }
        }
    }

    async fn record_alone(&mut self, result: &ChunkResult) -> Result<(), LedgerError> {
        let held = self.record_with_patience(std::slice::from_ref(result)).await?;
        recorded_if((held == [true], result))
    }

    /// Tries again while the failure may pass.
    async fn record_with_patience(
        &mut self,
        results: &[ChunkResult],
    ) -> Result<Vec<bool>, LedgerError> {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(20))
            .with_max_times(MOST_TRIES)
            .with_jitter()
            .build();
        let began = Instant::now();
        for pause in pauses {
            match self.record(results).await {
                Err(LedgerError::Database(error))
                    if error.is_transient() && began.elapsed() < LONGEST_PATIENCE =>
                {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "outcomes could not be recorded; it is tried again"
                    );
                }
                recorded => return recorded,
            }
            tokio::time::sleep(pause).await;
        }
        self.record(results).await
    }

    /// Records all results whose claims hold, and returns for each whether its claim did.
    #[tracing::instrument(level = "debug", skip_all, fields(results = results.len()))]
    async fn record(&mut self, results: &[ChunkResult]) -> Result<Vec<bool>, LedgerError> {
        let connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.db.connect(Planning::ByKeys).await?,
        };
        let tx = self.connection.insert(connection).transaction().await?;
        let held = record_outcomes(&tx, results).await?;
        let mut recorded = results.iter().zip(&held).filter(|(_, held)| **held);
        let ready = recorded.find(|(result, _)| result.is_ready_at_once());
        news::tell(&tx, self.db.schema(), ready.map(|(result, _)| result.run)).await?;
        tx.commit().await?;
        Ok(held)
    }
}

/// What a caller gets: its result is recorded if the claim held, and otherwise the claim is lost.
fn recorded_if((held, result): (bool, &ChunkResult)) -> Result<(), LedgerError> {
    if held { Ok(()) } else { Err(LedgerError::LostClaim { chunk: result.chunk }) }
}
