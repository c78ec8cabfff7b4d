//! "Why did this user get nothing on Monday?" (A3): the ordered trace for a job, a user and a
//! moment, and one answer.
//!
//! ```text
//! moment ─► facts: job's versions, user's history and defaults (Config Database), place in a run (ledger)
//!             │ timeline: what the user was in, when      │ choose: which occurrence is meant
//!             ▼                                           ▼
//!           trace: job ─► preference ─► … ─► outcome ─► answer, of a closed set
//! ```
//!
//! `facts` asks and decides nothing; everything else is a function over values. The record is
//! stronger than the reasoning: where the ledger has a place for the user, its word is the answer,
//! and only where it has none is it worked out why.
//!
//! What may fail: the Config Database or the ledger, then there is no explanation. It says nothing
//! of users who were erased (W8): to it they never were. Of defaults that a feature had more than a
//! week ago nothing is known.

mod answer;
mod choose;
mod explanation;
mod facts;
mod moment;
mod timeline;
mod trace;
mod words;

use std::sync::Arc;

use cohort_preferences::{JobId, TenantId};

pub use self::answer::Answer;
pub use self::explanation::{Explanation, Step, StepName};
pub use self::moment::{Moment, MomentError};
use crate::clock::AgentClock;
use crate::jobs::Jobs;
use crate::source::{PreferenceSource, SourceError};
use cohort_ledger::{Ledger, LedgerError};

/// Says why; cheap to clone.
#[derive(Clone)]
pub struct Explainer {
    source: Arc<dyn PreferenceSource>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    /// The jobs in force of this process's agent; `None` if only files are looked at.
    jobs: Option<Jobs>,
}

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The Config Database did not say what the user had stated.
    #[error("reading what the user has stated")]
    Source(#[from] SourceError),
    /// The ledger did not say what was done.
    #[error("reading what was done")]
    Ledger(#[from] LedgerError),
}

impl Explainer {
    /// Explains what stands in a ledger, and what an agent of this process does with it, if there
    /// is one.
    pub fn new(
        source: Arc<dyn PreferenceSource>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn AgentClock>,
        jobs: Option<Jobs>,
    ) -> Self {
        Self { source, ledger, clock, jobs }
    }

    /// Why a job did a user's work at a moment, or did not.
    pub async fn explain(
        &self,
        tenant: &TenantId,
        job: &JobId,
        moment: Moment,
    ) -> Result<Explanation, ExplainError> {
        let facts = self.facts(tenant.clone(), job.clone(), moment).await?;
        Ok(trace::explain(facts)?)
    }
}
