//! The account that the agent keeps of itself (A1): each minute what was due in the last 48 hours
//! is held against the record, and what is missing is logged, counted and shown by `/metrics`.
//!
//! It takes at most a hundredth of the time: where there are very many groups, it is kept less
//! often.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use super::DynamicBatchScheduler;
use crate::clock::saturating_add;
use crate::completeness::{CompletenessCheck, CompletenessReport, Depth};
use crate::evidence::{Evidence, EvidenceError};

/// How often it is kept, unless it takes long.
const KEEP_EVERY: Duration = Duration::from_mins(1);

/// How many times as long as it took it is not kept again.
const SHARE: u32 = 100;

/// How far it goes back.
const GOES_BACK: SignedDuration = SignedDuration::from_hours(48);

impl DynamicBatchScheduler {
    /// Keeps the account from now on. What fell due while nothing ran is planned before.
    pub(super) async fn check_completeness_forever(&self) {
        if let Err(error) = self.plan_due().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what is accounted for may not be planned yet"
            );
        }
        loop {
            let began = Instant::now();
            match self.check_completeness().await {
                Ok(account) => self.tell_completeness(&account),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "what was due cannot be held against the record now"
                    );
                }
            }
            tokio::time::sleep(KEEP_EVERY.max(began.elapsed() * SHARE)).await;
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

    fn tell_completeness(&self, account: &CompletenessReport) {
        self.processor.counts().unaccounted(account.unaccounted);
        for found in account.named.iter().take(10) {
            let (job_id, group, nominal, fault) =
                (&found.job_id, &found.group, &found.nominal, found.fault);
            tracing::error!(%job_id, %group, %nominal, ?fault, "an occurrence is unaccounted for");
        }
    }
}
