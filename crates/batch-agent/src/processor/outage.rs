//! Chunks in hand while the ledger is down or full (F5).
//!
//! ```text
//! attempt ─► before any call, the ledger fails: attempted again after a pause
//!    │ called
//!    ▼
//! record ──► the ledger fails: recorded again after a pause, by the same claim,
//!            which goes on being renewed
//! ```
//!
//! What handlers have done stays in hand until it is on record, so that an outage makes nobody be
//! called again (D2). A chunk result that is recorded already, because only the ledger's answer was
//! lost, finds its claim gone; so does that of an agent whose lease ran out during the outage (F3).
//! Either way somebody has recorded, or will. What is in hand is bounded (D7): an agent that cannot
//! record takes nothing more.

use tracing::Instrument;

use super::attempt::Worker;
use super::claimed::Claimed;
use super::record::PAUSE_AFTER_LEDGER_FAULT;
use crate::condition::Part;

impl Worker {
    /// Processes a chunk that is noted to be in work to its end, however long the ledger is away.
    /// An agent that is stopping does not wait with what it has not begun.
    pub(super) async fn process_through_outages(&self, claimed: Claimed) {
        let span = claimed.span();
        self.outlast(claimed).instrument(span).await;
    }

    async fn outlast(&self, mut claimed: Claimed) {
        let _in_work = self.in_hand.until_dropped(&claimed.chunk);
        let result = loop {
            let worked_on = self.work_on(&mut claimed).await;
            self.shared.condition.note(Part::Recording, &worked_on);
            match worked_on {
                Ok(Some(result)) => break result,
                Ok(None) => return,
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a chunk cannot be begun; it is tried again"
                ),
            }
            if self.signals.is_stopping() {
                return;
            }
            tokio::time::sleep(PAUSE_AFTER_LEDGER_FAULT).await;
        };
        self.recorder.record_through_outages(&claimed.run, result).await;
    }
}
