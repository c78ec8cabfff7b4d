//! The agents of a ledger, and the one time zone database by which they plan (T11).
//!
//! ```text
//!            the ledger names no release ─► it goes by the agent's
//! renew ─┬─► the agent's own ─────────────► it plans
//!        ├─► a newer one ─────────────────► it plans nothing
//!        └─► an older one ────────────────► it plans nothing while an agent of an older one lives, else:
//!                                           the ledger goes by the agent's, and each job is planned anew from up to 48 h ago
//! ```
//!
//! Renewing, judging and adopting are one transaction. An agent that is silent for a minute counts
//! as gone; if it comes back after a newer release was adopted, the plans that it still makes by
//! its own are refused.

use std::fmt;

use async_trait::async_trait;
use cohort_preferences::time_zone_database_version;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::LedgerError;

/// An agent that has not renewed for longer counts as gone.
pub(crate) const SILENCE_OF_THE_GONE: SignedDuration = SignedDuration::from_secs(60);

/// How far back occurrences are planned anew after the adoption of another time zone database.
pub(crate) const REPLANNED: SignedDuration = SignedDuration::from_hours(48);

/// How long agents that are gone are still listed.
pub(crate) const GONE_LISTED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A release of the time zone database, such as `2026b`; a later one is greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TzdbRelease(String);

impl TzdbRelease {
    /// The one that is compiled into the program.
    pub fn bundled() -> Self {
        Self::from(time_zone_database_version())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for TzdbRelease {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for TzdbRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An agent that says that it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentSign {
    /// Its name in claims.
    pub agent: String,
    /// By which release it would plan.
    pub tzdb: TzdbRelease,
    /// When it said so.
    pub renewed_at: Timestamp,
}

/// How an agent stands to the ledger's release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TzdbStanding {
    /// The ledger goes by the agent's: it plans.
    InForce,
    /// The ledger goes by a newer one: the agent plans nothing.
    Outdated {
        /// The ledger's.
        in_force: TzdbRelease,
    },
    /// The ledger goes by an older one, by which living agents plan: the agent waits until they are
    /// gone.
    Waiting {
        /// The ledger's.
        in_force: TzdbRelease,
    },
}

/// The part of the ledger that knows the agents.
#[async_trait]
pub trait AgentLedger: Send + Sync {
    /// Notes that an agent lives, adopts its release if that is newer and nobody older is left, and
    /// answers how it stands.
    async fn renew_agent(&self, sign: AgentSign) -> Result<TzdbStanding, LedgerError>;

    /// Notes that an agent has ended, so that nobody waits for it.
    async fn forget_agent(&self, agent: &str) -> Result<(), LedgerError>;

    /// The agents that live or were seen in the last week, by name.
    async fn agents(&self) -> Result<Vec<AgentSign>, LedgerError>;
}
