//! Releases of the time zone database, and how an agent's stands to the ledger's (T11).

use std::fmt;

use cohort_preferences::time_zone_database_version;
use serde::{Deserialize, Serialize};

/// A release of the time zone database, such as `2026b`; a later one is greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TzdbRelease(String);

impl TzdbRelease {
    /// The release that is compiled into the program.
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

/// How an agent stands to the ledger's release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TzdbStanding {
    /// The ledger goes by the agent's release: the agent plans.
    InForce,
    /// The ledger goes by a newer release: the agent plans nothing.
    Outdated {
        /// The ledger's release.
        in_force: TzdbRelease,
    },
    /// The ledger goes by an older release, by which living agents plan: the agent waits until they
    /// are gone.
    Waiting {
        /// The ledger's release.
        in_force: TzdbRelease,
    },
}
