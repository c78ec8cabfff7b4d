//! Recording what an attempt made of a chunk.

use std::sync::Arc;
use std::time::Duration;

use cohort_database::FaultCause;
use cohort_ledger::{ChunkResult, Ledger, LedgerError, Run};

use super::pulse::LedgerPulse;
use crate::condition::{Condition, Part};
use crate::metrics::{Metrics, Recorded};

/// How long the ledger is left alone after it has failed.
pub(super) const PAUSE_AFTER_LEDGER_FAULT: Duration = Duration::from_secs(1);

/// Writes chunk results to the ledger and counts them; cheap to clone.
#[derive(Clone)]
pub(super) struct Recorder {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) pulse: Arc<LedgerPulse>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) condition: Arc<Condition>,
}

impl Recorder {
    /// Records a chunk's result. Nothing is recorded if its claim has passed to another agent.
    pub(super) async fn record(&self, run: &Run, result: ChunkResult) -> Result<(), LedgerError> {
        let counted = Recorded::of(&result);
        let recorded = self.ledger.record_outcomes(result).await;
        self.pulse.hear(&recorded);
        match recorded {
            Ok(()) => {
                self.metrics.recorded(&run.job_id, &counted);
                Ok(())
            }
            Err(lost @ LedgerError::LostClaim { .. }) => {
                self.metrics.lost_claim();
                pass_over_lost_claim(lost)
            }
            Err(error) => Err(error),
        }
    }

    /// Records a chunk's result, however long the ledger is away.
    pub(super) async fn record_through_outages(&self, run: &Run, result: ChunkResult) {
        let mut unrecorded = None;
        loop {
            let recorded = self.record(run, result.clone()).await;
            self.condition.note(Part::Recording, &recorded);
            let Err(error) = recorded else { return };
            if error.fault().is_some_and(FaultCause::may_pass) {
                unrecorded.get_or_insert_with(|| self.pulse.unrecorded());
            }
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "what was done cannot be recorded; it is tried again"
            );
            tokio::time::sleep(PAUSE_AFTER_LEDGER_FAULT).await;
        }
    }
}

/// A claim that has passed on is no fault of ours: its new holder records.
pub(super) fn pass_over_lost_claim(error: LedgerError) -> Result<(), LedgerError> {
    match error {
        LedgerError::LostClaim { chunk } => {
            tracing::warn!(
                chunk,
                "a claim passed to another agent while its chunk was worked on; nothing was \
                 recorded"
            );
            Ok(())
        }
        error => Err(error),
    }
}
