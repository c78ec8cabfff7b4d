//! The agents of a ledger, and the one time zone database by which they plan (T11).
//!
//! ```text
//! renew, and the ledger's release is
//!     not set yet ─────────► the ledger goes by the agent's
//!     the agent's own ─────► the agent plans
//!     a newer one ─────────► the agent plans nothing
//!     an older one ────────► the agent plans nothing while an agent with an older release lives;
//!                            then the ledger goes by the agent's release, and each job is planned
//!                            anew from up to 48 h ago
//! ```
//!
//! Renewing, judging and changing the release are one transaction. An agent that is silent for a
//! minute counts as gone. If it comes back after the ledger went over to a newer release, the plans
//! that it still makes by its own are refused.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::sealed::Sealed;
use crate::{LedgerError, TzdbRelease, TzdbStanding};

/// An agent that has not renewed for longer counts as gone.
pub(crate) const SILENCE_OF_THE_GONE: SignedDuration = SignedDuration::from_secs(60);

/// How far back occurrences are planned anew once the ledger goes by another release.
pub(crate) const REPLANNED: SignedDuration = SignedDuration::from_hours(48);

/// How long agents that are gone are still listed.
pub(crate) const GONE_LISTED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A sign of life of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentSign {
    /// The agent's name in claims.
    pub agent: String,
    /// The release by which it would plan.
    pub tzdb: TzdbRelease,
    /// The version of its program; empty if it was too old to say.
    pub version: String,
    /// When it gave the sign.
    pub renewed_at: Timestamp,
}

/// The part of the ledger that knows the agents.
#[async_trait]
pub trait AgentLedger: Sealed {
    /// Notes that an agent lives, and goes over to its release if that is newer and no agent with
    /// an older one is left. Returns how the agent stands then.
    async fn renew_agent(&self, sign: AgentSign) -> Result<TzdbStanding, LedgerError>;

    /// Notes that an agent has ended, so that nobody waits for it.
    async fn forget_agent(&self, agent: &str) -> Result<(), LedgerError>;

    /// Returns the agents that live or were seen in the last week, by name.
    async fn agents(&self) -> Result<Vec<AgentSign>, LedgerError>;
}
