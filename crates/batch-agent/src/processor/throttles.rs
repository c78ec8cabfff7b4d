//! How fast each purpose may be called: not before an instant that its handler has named, and with
//! a bounded share of retries (D4).
//!
//! ```text
//! Retry-After of any call ─► throttle in memory, at once ─► ledger
//!                                                             │ with each claim, and
//!                                                             ▼ each 0.1 s of work in hand
//!                                                          other agents
//! ```
//!
//! While a purpose is slowed, its work is neither claimed nor called: it waits in the ledger, costs
//! no attempt and takes up no capacity. The budget of retries is each agent's own; a tenth of each
//! is a tenth of all. What may fail: the ledger, then the other agents do not hear of it, and this
//! one keeps to it all the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use cohort_ledger::{HealthState, Ledger, LedgerError, PurposeHealth};
use cohort_preferences::PurposeId;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::budget::RetryBudget;
use crate::clock::{AgentClock, saturating_add};

/// How old the knowledge of other agents' pauses may be when a call begins.
const FRESH: SignedDuration = SignedDuration::from_millis(100);

/// Longer pauses are logged: an operator may want to know.
const LONG: SignedDuration = SignedDuration::from_mins(10);

/// How fast one purpose may be called.
pub(super) struct Throttle {
    not_before: watch::Sender<Timestamp>,
    budget: Mutex<RetryBudget>,
}

/// The throttles of all purposes that were called or heard of.
pub(super) struct Throttles {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    of: Mutex<HashMap<PurposeId, Arc<Throttle>>>,
    /// When the ledger was last asked for pauses.
    heard_at: Mutex<Timestamp>,
}

impl Throttle {
    fn unhurried() -> Self {
        Self { not_before: watch::Sender::new(Timestamp::MIN), budget: Mutex::default() }
    }

    /// Until when nobody may be called; `None` if users may be called now.
    pub(super) fn slowed_until(&self, now: Timestamp) -> Option<Timestamp> {
        Some(*self.not_before.borrow()).filter(|not_before| *not_before > now)
    }

    /// Returns once nobody may be called until some instant later than this one.
    pub(super) async fn until_slowed_beyond(&self, now: Timestamp) {
        let mut not_before = self.not_before.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _never_closed = not_before.wait_for(|not_before| *not_before > now).await;
    }

    /// Allows no call before this instant. Returns whether that is later than before.
    fn slow(&self, until: Timestamp) -> bool {
        self.not_before.send_if_modified(|not_before| {
            let slower = until > *not_before;
            *not_before = until.max(*not_before);
            slower
        })
    }

    pub(super) fn budget(&self) -> MutexGuard<'_, RetryBudget> {
        self.budget.lock().expect("the budget is changed by code that does not panic")
    }
}

impl Throttles {
    pub(super) fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn AgentClock>) -> Self {
        Self { ledger, clock, of: Mutex::default(), heard_at: Mutex::new(Timestamp::MIN) }
    }

    /// The throttle of a purpose.
    pub(super) fn of(&self, purpose: &PurposeId) -> Arc<Throttle> {
        let mut throttles = self.of.lock().expect("the map is changed by code that does not panic");
        match throttles.get(purpose) {
            Some(throttle) => Arc::clone(throttle),
            None => Arc::clone(
                throttles.entry(purpose.clone()).or_insert_with(|| Arc::new(Throttle::unhurried())),
            ),
        }
    }

    /// Stops calls for a purpose for so many seconds, here and on other agents: its handler has
    /// asked for it (D4).
    pub(super) async fn slow(&self, purpose: &PurposeId, seconds: u64) {
        let asked = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let until = saturating_add(self.clock.now(), asked);
        if asked.is_zero() || !self.of(purpose).slow(until) {
            return;
        }
        if asked > LONG {
            tracing::warn!(%purpose, %until, "the handler of a purpose asks for a long pause");
        }
        if let Err(error) = self.tell(purpose, until).await {
            tracing::error!(error = &error as &dyn std::error::Error, %purpose,
                "other agents cannot be told that a purpose is slowed");
        }
    }

    /// Takes over the pauses that handlers have asked of other agents.
    pub(super) async fn hear(&self) -> Result<(), LedgerError> {
        let now = self.clock.now();
        *self.heard_at() = now;
        for health in self.ledger.purpose_health().await? {
            if let (HealthState::Slowed, Some(until)) = (health.state, health.until) {
                self.of(&health.purpose).slow(until);
            }
        }
        Ok(())
    }

    async fn tell(&self, purpose: &PurposeId, until: Timestamp) -> Result<(), LedgerError> {
        loop {
            let now = self.clock.now();
            let known = self.ledger.purpose_health().await?;
            let health = known
                .into_iter()
                .find(|health| health.purpose == *purpose)
                .unwrap_or_else(|| PurposeHealth::healthy(purpose.clone()));
            let (state, until) = (HealthState::Slowed, health.until.max(Some(until)));
            let slowed = PurposeHealth { state, since: now, until, ..health };
            if self.ledger.store_health(&slowed).await? {
                return Ok(());
            }
        }
    }

    /// The same, unless that was done a moment ago.
    pub(super) async fn hear_if_due(&self) -> Result<(), LedgerError> {
        let is_fresh = self.clock.now().duration_since(*self.heard_at()).abs() < FRESH;
        if is_fresh { Ok(()) } else { self.hear().await }
    }

    fn heard_at(&self) -> MutexGuard<'_, Timestamp> {
        self.heard_at.lock().expect("the instant is changed by code that does not panic")
    }
}
