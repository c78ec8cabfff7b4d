//! The evidence of what should have been done and what was: who looks back asks the Config
//! Database, the ledger, the clock, and the jobs in force.

use std::sync::Arc;

use cohort_ledger::{Ledger, LedgerError};

use crate::clock::AgentClock;
use crate::jobs::Jobs;
use crate::source::{PreferenceSource, SourceError};

/// Whom to ask about what should have been done and what was; cheap to clone.
#[derive(Clone)]
pub struct Evidence {
    /// Says what users have stated, and when.
    pub source: Arc<dyn PreferenceSource>,
    /// Says what is on record.
    pub ledger: Arc<dyn Ledger>,
    /// Says how late it is.
    pub clock: Arc<dyn AgentClock>,
    /// The jobs in force of this process's agent; `None` if only files are looked at.
    pub jobs: Option<Jobs>,
}

/// Why the evidence cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The Config Database did not say what users have stated.
    #[error("reading what users have stated")]
    Source(#[from] SourceError),
    /// The ledger did not say what is on record.
    #[error("reading what is on record")]
    Ledger(#[from] LedgerError),
}
