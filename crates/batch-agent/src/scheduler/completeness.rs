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

/// How long what is not on record has to get there before anybody is alarmed.
const CHECK_AGAIN_AFTER: Duration = Duration::from_secs(15);

/// How many times as long as it took the next check waits.
const SHARE: u32 = 100;

/// How far the check goes back.
const GOES_BACK: SignedDuration = SignedDuration::from_hours(48);

impl DynamicBatchScheduler {
    /// Checks from now on.
    pub(super) async fn check_completeness_forever(&self) {
        loop {
            self.plan_what_is_checked().await;
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

    /// What fell due while nothing ran, or while this process was stopped, is planned before it is
    /// checked.
    async fn plan_what_is_checked(&self) {
        if let Err(error) = self.plan_due().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what is checked for completeness may not be planned yet"
            );
        }
    }

    /// Holds what was due against the record. What is not on record is looked at once more a while
    /// later, before anybody is alarmed: it may be recorded at this moment.
    async fn check_completeness(&self) -> Result<CompletenessReport, EvidenceError> {
        let check = CompletenessCheck::new(Evidence {
            source: Arc::clone(&self.source),
            ledger: Arc::clone(&self.ledger),
            clock: Arc::clone(&self.clock),
            jobs: Some(self.jobs.clone()),
        });
        let since = saturating_add(self.clock.now(), -GOES_BACK);
        let report = check.report_since(since, Depth::Runs).await?;
        if report.unaccounted == 0 {
            return Ok(report);
        }
        tokio::time::sleep(CHECK_AGAIN_AFTER).await;
        check.report_between(report.since, report.until, Depth::Runs).await
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
