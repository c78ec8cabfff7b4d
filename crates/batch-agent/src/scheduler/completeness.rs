//! The agent checks itself for completeness (A1): each minute, what was due in the last 48 hours is
//! held against the record, and what is missing is logged, counted and shown by `/metrics`.
//!
//! The check takes at most a hundredth of the time: where there are very many groups, it is made
//! less often.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use super::DynamicBatchScheduler;
use crate::clock::saturating_add;
use crate::completeness::{CompletenessCheck, CompletenessReport, Depth};
use crate::condition::Checked;
use crate::evidence::{Evidence, EvidenceError};

/// How often the check is made, unless it takes long.
const CHECK_EVERY: Duration = Duration::from_mins(1);

/// How many times as long as it took the next check waits.
const SHARE: u32 = 100;

/// How far the check goes back.
const GOES_BACK: SignedDuration = SignedDuration::from_hours(48);

impl DynamicBatchScheduler {
    /// Checks from now on. What fell due while nothing ran is planned before.
    pub(super) async fn check_completeness_forever(&self) {
        if let Err(error) = self.plan_due().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what is checked for completeness may not be planned yet"
            );
        }
        loop {
            let began = Instant::now();
            match self.check_completeness().await {
                Ok(report) => self.tell_completeness(&report),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "what was due cannot be held against the record now"
                    );
                }
            }
            tokio::time::sleep(CHECK_EVERY.max(began.elapsed() * SHARE)).await;
        }
    }

    /// Holds what was due against the record.
    async fn check_completeness(&self) -> Result<CompletenessReport, EvidenceError> {
        let check = CompletenessCheck::new(Evidence {
            source: Arc::clone(&self.source),
            ledger: Arc::clone(&self.ledger),
            clock: Arc::clone(&self.clock),
            jobs: Some(self.jobs.clone()),
        });
        check.report_since(saturating_add(self.clock.now(), -GOES_BACK), Depth::Runs).await
    }

    fn tell_completeness(&self, report: &CompletenessReport) {
        self.processor.counts().unaccounted(report.unaccounted);
        let (at, unaccounted) = (self.clock.now(), report.unaccounted);
        self.condition.note_checked(Checked { at, unaccounted });
        for found in report.named.iter().take(10) {
            let (job_id, group, nominal, fault) =
                (&found.job_id, &found.group, &found.nominal, found.fault);
            tracing::error!(%job_id, %group, %nominal, ?fault, "an occurrence is unaccounted for");
        }
    }
}
