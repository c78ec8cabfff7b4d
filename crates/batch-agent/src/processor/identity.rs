//! Who this agent is among those that share a ledger.

use std::sync::Arc;

use cohort_ledger::{AgentSign, Claim, TzdbRelease};
use jiff::SignedDuration;

use crate::clock::{AgentClock, saturating_add};

/// How long a claim holds if it is not renewed: what a dead agent held is in other hands within
/// 25 s (F3).
const LEASE: SignedDuration = SignedDuration::from_secs(20);

/// The agent's name and its time zone database; cheap to clone.
#[derive(Clone)]
pub(super) struct Identity {
    name: Arc<str>,
    tzdb: TzdbRelease,
    clock: Arc<dyn AgentClock>,
}

impl Identity {
    pub(super) fn new(name: &str, tzdb: TzdbRelease, clock: Arc<dyn AgentClock>) -> Self {
        Self { name: name.into(), tzdb, clock }
    }

    /// The name in its claims.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A claim in its name that begins now.
    pub(super) fn claim_now(&self) -> Claim {
        let at = self.clock.now();
        Claim { holder: self.name.to_string(), at, lease_until: saturating_add(at, LEASE) }
    }

    /// What the agent says of itself when it renews (T11).
    pub(super) fn sign(&self) -> AgentSign {
        AgentSign {
            agent: self.name.to_string(),
            tzdb: self.tzdb.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            renewed_at: self.clock.now(),
        }
    }
}
