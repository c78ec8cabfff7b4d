//! The registry of jobs and purposes: what an operator does to them and to their runs.
//!
//! ```text
//! cohort apply, diff ── REST ──┐
//! cohort up --batch-config ────┼─► registry: plan ─► can it be served? ─► ledger ─► agents reload
//! pause, resume ────── REST ───┘
//! ```
//!
//! Applying gives a new version to what it changes, and the last apply stands. A start with
//! `--batch-config` applies only if the agent was last started with something else: an old agent
//! that is restarted with its old file does not take back what was applied since, and one that is
//! started with another file says something new.
//!
//! Of two operations at once, the second is decided anew on what the first has stored. A batch
//! config that asks for what this program cannot serve is refused as a whole, and nothing is
//! stored.

mod apply;
mod error;
mod operations;
mod plan;
mod status;
mod view;

use std::sync::Arc;

use cohort_ledger::Ledger;

pub use self::apply::{ApplyReport, StartReport};
pub use self::error::RegistryError;
pub use self::operations::{
    Choice, ChosenWork, JobChoice, Rerun, Retried, Retry, Stopped, TriggerPreview, Triggered,
};
pub use self::operations::{GapOfJob, RecoveryView};
pub use self::plan::DefinitionChange;
pub use self::view::{JobState, JobView, PurposeView};
use crate::clock::AgentClock;
use crate::evidence::Evidence;
use crate::jobs::Serving;
use crate::processor::EnhancedBatchProcessor;
use crate::shared::Shared;
use crate::source::PreferenceSource;

/// Jobs and purposes as they are stored, and the operations on them; cheap to clone.
#[derive(Clone)]
pub struct JobRegistry {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    serving: Arc<Serving>,
    /// The agent of this process; `None` if there is only a ledger.
    agent: Option<EnhancedBatchProcessor>,
    /// The Config Database; `None` if nobody here can ask it.
    source: Option<Arc<dyn PreferenceSource>>,
    /// Why nothing can be changed; `None` if it can.
    read_only: Option<String>,
}

impl JobRegistry {
    /// The registry of a ledger that no agent of this process works on.
    pub fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn AgentClock>, serving: Serving) -> Self {
        let serving = Arc::new(serving);
        Self { ledger, clock, serving, agent: None, source: None, read_only: None }
    }

    /// The registry of an agent, where an operation is in force once it returns.
    pub fn of_agent(agent: &EnhancedBatchProcessor) -> Self {
        let Shared { source, ledger, clock, .. } = agent.shared();
        let serving = Arc::clone(agent.jobs().serving());
        let (agent, source) = (Some(agent.clone()), Some(source));
        Self { ledger, clock, serving, agent, source, read_only: None }
    }

    /// The same registry, with the Config Database to ask what users have stated.
    #[must_use]
    pub fn asking(self, source: Arc<dyn PreferenceSource>) -> Self {
        Self { source: Some(source), ..self }
    }

    /// The same registry, refusing every operation with this reason.
    #[must_use]
    pub fn read_only(self, reason: String) -> Self {
        Self { read_only: Some(reason), ..self }
    }

    /// The agent of this process; `None` if there is only a ledger.
    pub fn agent(&self) -> Option<&EnhancedBatchProcessor> {
        self.agent.as_ref()
    }

    /// The clock of the operations.
    pub(crate) fn clock(&self) -> &dyn AgentClock {
        &*self.clock
    }

    /// The ledger that keeps the jobs, the purposes and their runs.
    pub(crate) fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// Whom to ask about what should have been done and what was; `None` if nobody here can ask the
    /// Config Database.
    pub(crate) fn evidence(&self) -> Option<Evidence> {
        Some(Evidence {
            source: self.source.clone()?,
            ledger: Arc::clone(&self.ledger),
            clock: Arc::clone(&self.clock),
            jobs: self.agent.as_ref().map(|agent| agent.jobs().clone()),
        })
    }

    /// Returns once the agent of this process stops; never if there is none.
    pub(crate) async fn until_stopping(&self) {
        match &self.agent {
            Some(agent) => agent.until_stopping().await,
            None => std::future::pending().await,
        }
    }

    /// Refuses an operation where nothing can be changed.
    fn refuse_if_read_only(&self) -> Result<(), RegistryError> {
        self.read_only.clone().map_or(Ok(()), |reason| Err(RegistryError::ReadOnly(reason)))
    }

    /// Refuses an operation where nothing can be changed, and where the agent of this process does
    /// not know its jobs yet (F12).
    fn refuse_operations(&self) -> Result<(), RegistryError> {
        self.refuse_if_read_only()?;
        match &self.agent {
            Some(agent) if !agent.feed().was_read() => Err(RegistryError::Starting),
            _ => Ok(()),
        }
    }

    /// Waits until the agent of this process has reloaded what is stored.
    async fn await_reload(&self) -> Result<(), RegistryError> {
        if let Some(agent) = &self.agent {
            agent.jobs().await_reload(self.ledger.definition_revision().await?).await;
        }
        Ok(())
    }
}
