//! Canceled runs: looked up before each attempt, as consent is.
//!
//! The runs are few and held in memory, so that an attempt looks them up for free. They are read
//! anew with each claim, twice a second while there is work in hand, and when an operator cancels
//! in this process: no call begins any more once that operation is answered. A call that is open by
//! then ends as its handler says.

use std::collections::HashSet;
use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::time::Duration;

use cohort_ledger::{Ledger, LedgerError, RunId};

use super::in_hand::InHand;

/// How often they are read while there is work in hand. No call begins more than a second after an
/// operator has stopped it elsewhere, the time of the reading itself included (D14).
const READ_EVERY: Duration = Duration::from_millis(500);

/// The canceled runs that are still open, as last read.
pub(super) struct Cancellations {
    ledger: Arc<dyn Ledger>,
    runs: RwLock<HashSet<RunId>>,
    /// Held while they are read, so that what was read earlier never replaces what was read later.
    reading: tokio::sync::Mutex<()>,
}

impl Cancellations {
    pub(super) fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, runs: RwLock::default(), reading: tokio::sync::Mutex::default() }
    }

    /// Reads the canceled runs anew.
    pub(super) async fn read(&self) -> Result<(), LedgerError> {
        let _turn = self.reading.lock().await;
        let runs = self.ledger.canceled_runs().await?;
        *self.runs.write().expect("the set is swapped by code that does not panic") = runs;
        Ok(())
    }

    /// Reads them again and again while there is work in hand.
    pub(super) async fn read_forever(&self, in_hand: &InHand) {
        loop {
            tokio::time::sleep(READ_EVERY).await;
            if in_hand.is_empty() {
                continue;
            }
            if let Err(error) = self.read().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "it cannot be read which runs are canceled"
                );
            }
        }
    }

    /// Whether this run is canceled.
    pub(super) fn contains(&self, run: RunId) -> bool {
        self.runs().contains(&run)
    }

    /// Whether no open run is canceled.
    pub(super) fn is_empty(&self) -> bool {
        self.runs().is_empty()
    }

    fn runs(&self) -> RwLockReadGuard<'_, HashSet<RunId>> {
        self.runs.read().expect("the set is swapped by code that does not panic")
    }
}
