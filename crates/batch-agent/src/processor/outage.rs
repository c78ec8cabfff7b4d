//! Chunks in hand while the ledger is down or full (F5).
//!
//! ```text
//! attempt ─► before any call, the ledger fails: attempted again after a pause
//!    │ called
//!    ▼
//! record ──► the ledger fails: recorded again after a pause, by the same claim, which goes on being renewed
//! ```
//!
//! What handlers have done stays in hand until it is on record, so that an outage makes nobody be
//! called again (D2). A settlement whose answer was lost and that is recorded already finds its
//! claim gone, as does one of an agent whose lease ran out during the outage (F3): either way
//! somebody has recorded, or will. What is in hand is bounded (D7): an agent that cannot record
//! takes nothing more.

use std::time::Duration;

use super::{Claimed, InWork, Inner};
use cohort_ledger::{ChunkResult, Run};

/// How long the ledger is left alone after it has failed.
const PAUSE: Duration = Duration::from_secs(1);

impl Inner {
    /// Processes a chunk that is noted to be in work to its end, however long the ledger is away.
    /// An agent that is stopping does not wait with what it has not begun.
    pub(super) async fn process_through_outages(&self, mut claimed: Claimed) {
        let _in_work = InWork::of(self, &claimed.chunk);
        let settlement = loop {
            match self.work_on(&mut claimed).await {
                Ok(Some(settlement)) => break settlement,
                Ok(None) => return,
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a chunk cannot be begun; it is tried again"
                ),
            }
            if self.stopping.is_cancelled() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        };
        self.record_through_outages(&claimed.run, settlement).await;
    }

    async fn record_through_outages(&self, run: &Run, settlement: ChunkResult) {
        while let Err(error) = self.record(run, settlement.clone()).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "what was done cannot be recorded; it is tried again"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }
}
