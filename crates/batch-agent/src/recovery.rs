//! Holding a ledger that was restored, until an operator says how it goes on (F11).
//!
//! ```text
//! start ─► restored? ─ no ──────────────────────────────────► work
//!              └ yes: held ─ look once a second ─ decided ──► work; what was due in the gap is
//!                       /readyz says so                        planned, or missed, as decided
//! ```
//!
//! A ledger is held only when it is opened, so nobody has to look again later. What may fail: the
//! ledger does not answer; then the agent holds too, and asks again.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cohort_ledger::{Ledger, LedgerError, Recovery};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::condition::{Condition, Part};

/// How often a ledger that is held is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long it takes from one line in the log to the next.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Whether this agent may work on its ledger, or has to hold.
pub(crate) struct RecoveryGate {
    ledger: Arc<dyn Ledger>,
    condition: Arc<Condition>,
    known: Mutex<Option<Recovery>>,
    /// When the log was last told, whoever of those who wait has told it.
    told_at: Mutex<Option<Instant>>,
}

impl RecoveryGate {
    pub(crate) fn new(ledger: Arc<dyn Ledger>, condition: Arc<Condition>) -> Self {
        Self { ledger, condition, known: Mutex::default(), told_at: Mutex::default() }
    }

    /// Returns once the ledger is not held, or no longer.
    pub(crate) async fn until_open(&self) {
        loop {
            match self.look().await {
                Ok(None) => return self.condition.note_well(Part::Recovery),
                Ok(Some(recovery)) => self.tell(&recovery),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "whether the ledger was restored cannot be read; it is tried again"
                ),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether the ledger was held when it was last looked at.
    pub(crate) fn is_held(&self) -> bool {
        self.lock().as_ref().is_some_and(Recovery::is_held)
    }

    /// Up to when what was due counts as missed, as an operator has decided.
    pub(crate) fn missed_until(&self) -> Option<Timestamp> {
        self.lock().as_ref().and_then(Recovery::missed_until)
    }

    /// Looks, and returns what the ledger waits for; `None` if it is not held.
    async fn look(&self) -> Result<Option<Recovery>, LedgerError> {
        let recovery = self.ledger.recovery().await?;
        self.lock().clone_from(&recovery);
        Ok(recovery.filter(Recovery::is_held))
    }

    fn tell(&self, recovery: &Recovery) {
        let cause = format!(
            "restored from a backup as of {}: nothing is planned and nobody is called until \
             `cohort recover --rerun` or `cohort recover --mark-missed`",
            recovery.as_of
        );
        if self.is_time_to_tell() {
            tracing::warn!(as_of = %recovery.as_of, "the ledger is {cause}");
        }
        self.condition.note_fault(Part::Recovery, cause);
    }

    fn is_time_to_tell(&self) -> bool {
        let mut told_at = self.told_at.lock().expect("it is noted by code that does not panic");
        let is_time = told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if is_time {
            *told_at = Some(Instant::now());
        }
        is_time
    }

    fn lock(&self) -> MutexGuard<'_, Option<Recovery>> {
        self.known.lock().expect("it is noted by code that does not panic")
    }
}
