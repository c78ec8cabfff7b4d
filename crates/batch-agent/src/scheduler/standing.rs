//! Where this agent stands with its time zone database (T11).

use std::sync::{Mutex, MutexGuard};

use cohort_ledger::TzdbStanding;
use jiff::{SignedDuration, Timestamp};

use crate::clock::saturating_add;

/// How often an agent says that it lives: several times within the minute after which it counts as
/// gone.
pub(super) const RENEW_EVERY: SignedDuration = SignedDuration::from_secs(15);

/// What the ledger last said of this agent's time zone database.
#[derive(Debug, Default)]
pub(super) struct Standing {
    renewed: Mutex<Option<Renewed>>,
}

#[derive(Debug, Clone)]
pub(super) struct Renewed {
    pub(super) at: Timestamp,
    pub(super) standing: TzdbStanding,
}

impl Standing {
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Renewed>> {
        self.renewed.lock().expect("the standing is replaced by code that does not panic")
    }

    /// Whether this agent plans.
    pub(super) fn plans(&self) -> bool {
        self.lock().as_ref().is_some_and(|renewed| renewed.standing == TzdbStanding::InForce)
    }

    /// When it renews next; at once, if it never has or the clock was set back.
    pub(super) fn next_renewal(&self, now: Timestamp) -> Timestamp {
        match &*self.lock() {
            Some(renewed) if renewed.at <= now => saturating_add(renewed.at, RENEW_EVERY),
            _ => now,
        }
    }
}
