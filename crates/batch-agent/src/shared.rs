//! What the scheduler and the processor of one agent have in common.

use std::sync::Arc;

use cohort_ledger::Ledger;

use crate::clock::AgentClock;
use crate::condition::Condition;
use crate::jobs::Jobs;
use crate::own_faults::OwnFaults;
use crate::recovery::RecoveryGate;
use crate::schedules::{ChangeFeed, Schedules};
use crate::source::PreferenceSource;

/// The two databases, the clock, and what is known in memory; cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) source: Arc<dyn PreferenceSource>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) clock: Arc<dyn AgentClock>,
    pub(crate) jobs: Jobs,
    pub(crate) schedules: Arc<Schedules>,
    pub(crate) feed: Arc<ChangeFeed>,
    pub(crate) condition: Arc<Condition>,
    pub(crate) own_faults: Arc<OwnFaults>,
    pub(crate) recovery: Arc<RecoveryGate>,
}
