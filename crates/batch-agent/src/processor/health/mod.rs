//! The health of purposes: who may be called how fast, shared by all agents (D12, D4).
//!
//! ```text
//! call ends ─► gate of its purpose, at once ─► report, at most once a second ─► ledger
//!                                                                                 │ with each
//!              gates of other agents ◄────────────────────────────────────────────┘ claim, and
//!                                                                each 0.5 s of work in hand
//! ```
//!
//! What is written: a change of state at once; counts once a second, and only while calls fail or
//! did so within the last 30 s. While all is well nothing is written.
//!
//! While a purpose is slowed, failing or paused, its work stays in the ledger: it is neither
//! claimed nor called, costs no attempt and takes up no capacity. Work of a purpose that is
//! disabled is claimed and skipped.
//!
//! What may fail: the ledger. Then the other agents do not hear of it, and this one keeps to what
//! it knows all the same.

mod gate;
mod judge;
mod ramp;
mod report;
pub(crate) mod transitions;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cohort_ledger::{HealthState, Ledger, LedgerError, PurposeHealth};
use cohort_preferences::PurposeId;
use jiff::{SignedDuration, Timestamp};

pub(super) use self::gate::{Gate, Turn};
pub(super) use self::judge::Evidence;
pub(super) use self::report::EndedCall;
use self::report::Report;
use super::in_hand::InHand;
use crate::clock::AgentClock;

/// How old the knowledge of other agents' reports may be when a call begins.
const FRESH: SignedDuration = SignedDuration::from_millis(100);

/// How long work in hand goes on at most before it is heard that a purpose has changed.
const HEAR_EVERY: Duration = Duration::from_millis(500);

/// How often a change is tried again that another agent was faster than.
const MOST_TRIES: usize = 20;

/// The gates of all purposes that were called or heard of.
pub(super) struct Health {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    /// The agent's name, which its probes are made under.
    holder: String,
    of: Mutex<HashMap<PurposeId, Arc<Gate>>>,
    /// When the ledger was last asked.
    heard_at: Mutex<Timestamp>,
}

impl Health {
    pub(super) fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn AgentClock>, holder: &str) -> Self {
        Self {
            ledger,
            clock,
            holder: holder.to_owned(),
            of: Mutex::default(),
            heard_at: Mutex::new(Timestamp::MIN),
        }
    }

    /// The gate of a purpose.
    pub(super) fn of(&self, purpose: &PurposeId) -> Arc<Gate> {
        let mut gates = self.of.lock().expect("the map is changed by code that does not panic");
        match gates.get(purpose) {
            Some(gate) => Arc::clone(gate),
            None => {
                let gate = Arc::new(Gate::new(PurposeHealth::healthy(purpose.clone())));
                Arc::clone(gates.entry(purpose.clone()).or_insert(gate))
            }
        }
    }

    /// What is known of each purpose that was called or heard of.
    pub(super) fn all(&self) -> Vec<PurposeHealth> {
        self.gates().iter().map(|(_, gate)| gate.health()).collect()
    }

    /// Takes over what other agents and operators have stored, and reports what is due.
    pub(super) async fn hear(&self) -> Result<(), LedgerError> {
        let now = self.clock.now();
        *self.heard_at() = now;
        for health in self.ledger.purpose_health().await? {
            self.hear_of(health, now);
        }
        for (purpose, gate) in self.gates() {
            self.report(&purpose, &gate).await;
        }
        Ok(())
    }

    /// The same, unless that was done a moment ago.
    pub(super) async fn hear_if_due(&self) -> Result<(), LedgerError> {
        let is_fresh = self.clock.now().duration_since(*self.heard_at()).abs() < FRESH;
        if is_fresh { Ok(()) } else { self.hear().await }
    }

    /// Hears twice a second while there is work in hand: calls that wait for their turn are told.
    pub(super) async fn hear_forever(&self, in_hand: &InHand) {
        loop {
            tokio::time::sleep(HEAR_EVERY).await;
            if in_hand.is_empty() {
                continue;
            }
            if let Err(error) = self.hear().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "it cannot be read how purposes do"
                );
            }
        }
    }

    /// Notes a call that ended, and tells the other agents if they have to know now.
    pub(super) async fn ended(
        &self,
        purpose: &PurposeId,
        call: &EndedCall,
        is_probe: bool,
        limit: usize,
    ) {
        let (gate, now) = (self.of(purpose), self.clock.now());
        gate.note(call, is_probe, limit, now);
        tell(&gate, now);
        self.report(purpose, &gate).await;
    }

    /// Takes the right to make the next probe. Returns whether this agent has it.
    pub(super) async fn take_probe(&self, purpose: &PurposeId) -> Result<bool, LedgerError> {
        let (gate, now) = (self.of(purpose), self.clock.now());
        let Some(probing) = transitions::with_probe(&gate.health(), &self.holder, now) else {
            return Ok(false);
        };
        let is_mine = self.ledger.store_health(&probing).await?;
        if is_mine {
            gate.hear(stored(probing), now);
        }
        Ok(is_mine)
    }

    /// Gives back the right to make a probe, if this agent has it still: nobody was called.
    pub(super) async fn end_probe(&self, purpose: &PurposeId) {
        let gate = self.of(purpose);
        if gate.has_probe(&self.holder) {
            gate.note_no_probe(self.clock.now());
            self.report(purpose, &gate).await;
        }
    }

    /// Reports what this agent has seen of a purpose, if it is due, and what it sees meanwhile.
    async fn report(&self, purpose: &PurposeId, gate: &Gate) {
        while let Some((report, _on_its_way)) = gate.take_report(self.clock.now()) {
            if let Err(error) = self.store(purpose, gate, &report).await {
                tracing::error!(error = &error as &dyn std::error::Error, %purpose,
                    "other agents cannot be told how a purpose does");
                gate.put_back(report, self.clock.now());
                return;
            }
        }
    }

    async fn store(
        &self,
        purpose: &PurposeId,
        gate: &Gate,
        report: &Report,
    ) -> Result<(), LedgerError> {
        for _try in 0..MOST_TRIES {
            let now = self.clock.now();
            let row = read(&*self.ledger, purpose).await?;
            let next = transitions::reported(&row, report, now);
            if next == row || self.ledger.store_health(&next).await? {
                gate.hear(if next == row { next } else { stored(next) }, now);
                tell(gate, now);
                return Ok(());
            }
        }
        tracing::warn!(%purpose, "many agents report on a purpose at once: one report is dropped");
        Ok(())
    }

    fn hear_of(&self, health: PurposeHealth, now: Timestamp) {
        let gate = self.of(&health.purpose);
        if let Some(unreadable) = &health.unreadable
            && gate.is_unreadable_untold(health.revision)
        {
            tracing::error!(purpose = %health.purpose, unreadable,
                "a row of the ledger with the health of a purpose cannot be read as a whole");
        }
        gate.hear(health, now);
        tell(&gate, now);
    }

    fn gates(&self) -> Vec<(PurposeId, Arc<Gate>)> {
        let gates = self.of.lock().expect("the map is changed by code that does not panic");
        let mut all: Vec<_> = gates.iter().map(|(id, gate)| (id.clone(), gate.clone())).collect();
        // By name: a simulation repeats itself.
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    fn heard_at(&self) -> std::sync::MutexGuard<'_, Timestamp> {
        self.heard_at.lock().expect("the instant is changed by code that does not panic")
    }
}

/// Changes what is stored of a purpose, however many others change it too. Returns what is stored
/// then; `None` if nothing was to be changed.
pub(crate) async fn change(
    ledger: &dyn Ledger,
    purpose: &PurposeId,
    change: impl Fn(&PurposeHealth) -> Option<PurposeHealth> + Send + Sync,
) -> Result<Option<PurposeHealth>, LedgerError> {
    loop {
        let Some(next) = change(&read(ledger, purpose).await?) else { return Ok(None) };
        if ledger.store_health(&next).await? {
            return Ok(Some(stored(next)));
        }
    }
}

/// What is stored of a purpose.
async fn read(ledger: &dyn Ledger, purpose: &PurposeId) -> Result<PurposeHealth, LedgerError> {
    let known = ledger.purpose_health().await?.into_iter();
    Ok(known
        .into_iter()
        .find(|health| health.purpose == *purpose)
        .unwrap_or_else(|| PurposeHealth::healthy(purpose.clone())))
}

/// The health as it is once it was stored.
fn stored(health: PurposeHealth) -> PurposeHealth {
    PurposeHealth { revision: health.revision + 1, ..health }
}

/// Logs a change of state, and once a minute that a purpose is still failing.
fn tell(gate: &Gate, now: Timestamp) {
    let Some((before, health)) = gate.untold(now) else { return };
    let PurposeHealth { purpose, state, until, cause, last_error, calls_failed, .. } = &health;
    let cause = cause.as_deref().unwrap_or_default();
    let last_error = last_error.as_deref().unwrap_or_default();
    let until = until.map(|until| until.to_string()).unwrap_or_default();
    match (before, *state) {
        (HealthState::Failing, HealthState::Failing) => tracing::warn!(%purpose, calls_failed,
            last_error, next_probe = until, "a purpose is still failing: its work waits"),
        (_, HealthState::Failing) => tracing::warn!(%purpose, cause, last_error,
            next_probe = until, "a purpose is failing: nobody is called but one probe at a time"),
        (_, HealthState::Slowed) if health.recovering => tracing::warn!(%purpose, cause,
            "a purpose is recovering"),
        (_, HealthState::Slowed) => tracing::warn!(%purpose, cause, until,
            "a purpose is slowed: its handler has asked for it"),
        (_, HealthState::Healthy) => tracing::warn!(%purpose, cause, "a purpose is healthy again"),
        (_, HealthState::Paused) => tracing::warn!(%purpose, cause,
            "a purpose is paused: nobody is called until an operator resumes it"),
        (_, HealthState::Disabled) => tracing::warn!(%purpose, cause,
            "a purpose is disabled: its work is skipped"),
    }
}
