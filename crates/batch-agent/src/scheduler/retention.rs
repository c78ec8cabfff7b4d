//! Removing what is no longer kept from the ledger, once an hour (W8).
//!
//! Any agent does it, and two at once do no harm: each takes a few thousand rows in a transaction
//! of its own, and what one has taken the other does not find.

use std::time::Duration;

use cohort_ledger::{LedgerError, LedgerRetention, Pruned};

use super::DynamicBatchScheduler;

/// How often this is done.
const EVERY: Duration = Duration::from_hours(1);

/// How long after the start this is first done: a start has other things to do.
const FIRST_AFTER: Duration = Duration::from_mins(1);

/// How many rows go in one transaction: others wait for the writer a few milliseconds, not longer.
const ROWS_AT_ONCE: usize = 2_000;

impl DynamicBatchScheduler {
    /// Keeps closed runs for this long (400 days if not given).
    #[must_use]
    pub fn retention(self, retention: LedgerRetention) -> Self {
        Self { retention, ..self }
    }

    /// Removes what is no longer kept. Returns how much that was.
    pub async fn prune(&self) -> Result<Pruned, LedgerError> {
        let cutoff = self.retention.cutoff(self.clock.now());
        let mut all = Pruned::default();
        loop {
            let pruned = self.ledger.prune(cutoff, ROWS_AT_ONCE).await?;
            all += pruned;
            if pruned.rows() < ROWS_AT_ONCE {
                return Ok(all);
            }
        }
    }

    pub(super) async fn prune_forever(&self) {
        tokio::time::sleep(FIRST_AFTER).await;
        loop {
            match self.prune().await {
                Ok(pruned) if pruned.rows() == 0 => {}
                Ok(pruned) => {
                    let Pruned { feed_entries, runs, chunks, outcomes, attempts, .. } = pruned;
                    let names = pruned.names;
                    tracing::info!(
                        runs,
                        chunks,
                        outcomes,
                        attempts,
                        feed_entries,
                        names,
                        "the ledger has forgotten what is no longer kept"
                    );
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what is no longer kept cannot be removed now"
                ),
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}
