//! Until when purposes are slowed: what a handler asked of one agent holds for all of a ledger
//! (D4).

use std::collections::HashMap;

use async_trait::async_trait;
use cohort_preferences::PurposeId;
use jiff::Timestamp;

use crate::LedgerError;

/// The part of the ledger by which agents tell each other to wait.
#[async_trait]
pub trait ThrottleLedger: Send + Sync {
    /// Notes that a purpose is not called before an instant; an earlier one than was noted changes
    /// nothing.
    async fn slow_purpose(&self, purpose: &PurposeId, until: Timestamp) -> Result<(), LedgerError>;

    /// The purposes that are not to be called yet, and until when.
    async fn slowed_purposes(
        &self,
        now: Timestamp,
    ) -> Result<HashMap<PurposeId, Timestamp>, LedgerError>;
}
