//! Purposes that are slowed for a time: what a handler asked of one agent holds for all agents of a
//! ledger (D4).

use std::collections::HashMap;

use async_trait::async_trait;
use cohort_preferences::PurposeId;
use jiff::Timestamp;

use crate::LedgerError;
use crate::sealed::Sealed;

/// The part of the ledger by which agents tell each other to wait.
#[async_trait]
pub trait ThrottleLedger: Sealed {
    /// Notes that a purpose is not called before an instant. An instant earlier than the one noted
    /// changes nothing.
    async fn slow_purpose(&self, purpose: &PurposeId, until: Timestamp) -> Result<(), LedgerError>;

    /// Returns the purposes that are not to be called yet, and until when.
    async fn slowed_purposes(
        &self,
        now: Timestamp,
    ) -> Result<HashMap<PurposeId, Timestamp>, LedgerError>;
}
