//! Canceled runs: asked for before each attempt, as consent is.
//!
//! The runs are few and held in memory, so that the question costs an attempt nothing. They are
//! read anew with each claim, once a second while there is work in hand, and when an operator acts
//! in this process: then no call begins any more once the act is answered. What is in flight ends
//! as the handler says.

use std::collections::HashSet;
use std::sync::RwLock;
use std::time::Duration;

use super::resolve::cancel;
use super::{EnhancedBatchProcessor, Inner, ProcessError};
use cohort_ledger::{Chunk, LedgerError, Run, RunId};

/// How long work in hand goes on at most after an operator has canceled it elsewhere.
const READ_EVERY: Duration = Duration::from_secs(1);

/// The canceled runs that are still open, as last read.
#[derive(Default)]
pub(super) struct Cancellations {
    runs: RwLock<HashSet<RunId>>,
    /// Held while they are read, so that what was read earlier never replaces what was read later.
    reading: tokio::sync::Mutex<()>,
}

impl Inner {
    pub(super) async fn read_cancellations(&self) -> Result<(), LedgerError> {
        let _turn = self.cancellations.reading.lock().await;
        let runs = self.ledger.canceled_runs().await?;
        *self.cancellations.runs.write().expect("the set is swapped by code that does not panic") =
            runs;
        Ok(())
    }

    pub(super) fn is_canceled(&self, run: RunId) -> bool {
        self.cancellations
            .runs
            .read()
            .expect("the set is swapped by code that does not panic")
            .contains(&run)
    }

    /// Whether any open run is canceled.
    pub(super) fn has_canceled(&self) -> bool {
        !self
            .cancellations
            .runs
            .read()
            .expect("the set is swapped by code that does not panic")
            .is_empty()
    }

    /// Skips everybody in a chunk of a canceled run.
    pub(super) async fn skip_canceled(&self, run: &Run, chunk: &Chunk) -> Result<(), ProcessError> {
        self.record(run, cancel(chunk, self.clock.now())).await
    }
}

impl EnhancedBatchProcessor {
    /// Takes over what an operator has done to runs, and goes on with them.
    pub(crate) async fn take_over_acts(&self) -> Result<(), LedgerError> {
        self.0.read_cancellations().await?;
        self.0.wake.notify_one();
        Ok(())
    }

    pub(super) async fn read_cancellations_forever(&self) {
        loop {
            tokio::time::sleep(READ_EVERY).await;
            let has_work = !self.0.in_work().is_empty();
            if has_work && let Err(error) = self.0.read_cancellations().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "it cannot be told whether runs were canceled"
                );
            }
        }
    }
}
