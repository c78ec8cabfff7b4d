//! The registry of jobs and purposes: what an operator does to them, wherever the operator sits.
//!
//! ```text
//! cohort apply, diff ── REST ──┐
//! cohort up --batch-config ────┼─► registry: plan ─► can it be served? ─► ledger ─► agents adopt it
//! pause, resume ────── REST ───┘
//! ```
//!
//! Runs are acted on here too (`acts`).
//!
//! Applying is an act: what it changes gets a new version, and the last act stands. A start with
//! `--batch-config` is an act only if the agent was last started with something else: an old agent
//! that is restarted with its old file does not take back what was applied since, and one that is
//! started with another file says something new.
//!
//! What may fail: two acts at once, then the second is decided anew on what the first has stored. A
//! batch config that asks for what this program cannot serve is refused whole, and nothing is
//! stored.

mod operations;
mod plan;
mod view;

use std::sync::Arc;

use cohort_preferences::{BatchConfigError, BatchDocuments, JobId};
use serde::Serialize;

pub use self::operations::{Retried, RetriedRuns, Retry};
pub use self::plan::DefinitionChange;
pub use self::view::{JobState, JobView, PurposeView};
use crate::clock::AgentClock;
use crate::evidence::Evidence;
use crate::jobs::{BuildError, Jobs, Serving};
use crate::processor::EnhancedBatchProcessor;
use crate::shared::Shared;
use crate::source::PreferenceSource;
use cohort_ledger::{
    Alteration, Definition, DefinitionEdit, DefinitionKind, Firing, Ledger, LedgerError, RunId,
    StartedWith, StoredDefinitions,
};

/// How often an act is decided anew because another one was faster.
const TRIES: usize = 10;

/// Jobs and purposes as they are stored, and the acts on them; cheap to clone.
#[derive(Clone)]
pub struct JobRegistry {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    serving: Arc<Serving>,
    /// The agent of this process; `None` if only files are acted on.
    agent: Option<EnhancedBatchProcessor>,
    /// The Config Database; `None` if nobody here can ask it.
    source: Option<Arc<dyn PreferenceSource>>,
    /// Why nothing can be changed; `None` if it can.
    read_only: Option<String>,
}

/// What an apply did, or would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApplyReport {
    /// Each job and purpose that was wanted or is removed, jobs first.
    pub changes: Vec<DefinitionChange>,
}

/// What became of the batch config that an agent was started with.
#[derive(Debug, Clone, PartialEq)]
pub enum StartReport {
    /// It was applied.
    Applied(ApplyReport),
    /// The agent was last started with the same, so what is stored stands.
    Known {
        /// Whether it is what is stored.
        in_force: bool,
    },
}

/// A manual run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Triggered {
    /// Its name, and the instant whose members it has.
    #[serde(flatten)]
    pub firing: Firing,
    /// Its runs, one a group; none if the job serves nobody.
    pub runs: Vec<RunId>,
}

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The batch config cannot be read.
    #[error(transparent)]
    Config(#[from] BatchConfigError),
    /// A job or a purpose cannot be served.
    #[error(transparent)]
    Unserved(#[from] BuildError),
    /// There is no job of this name.
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
    /// Users who are to be tried again and have not failed, or not so; each with what is recorded
    /// instead.
    #[error("not failed as asked for: {0}")]
    NotFailed(String),
    /// Nothing can be changed here.
    #[error("{0}")]
    ReadOnly(String),
    /// It takes an agent that plans, and there is none in this process.
    #[error(
        "no agent runs here, and only an agent knows the groups of its jobs; `cohort up` starts one"
    )]
    NoAgent,
    /// Others were faster again and again.
    #[error("jobs and purposes are being changed by others; try again")]
    Contended,
    /// The ledger did not take or give what was asked.
    #[error("keeping jobs and purposes")]
    Ledger(#[source] LedgerError),
}

impl From<LedgerError> for RegistryError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

/// An error with its causes in one text, for those who read no chain.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let causes =
        std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string);
    std::iter::once(error.to_string()).chain(causes).collect::<Vec<_>>().join(": ")
}

impl ApplyReport {
    /// Whether it leaves everything as it is.
    pub fn is_unchanged(&self) -> bool {
        self.changes.iter().all(|change| change.change == Alteration::Unchanged)
    }
}

impl JobRegistry {
    /// The registry of a ledger that no agent of this process works on.
    pub fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn AgentClock>, serving: Serving) -> Self {
        Self {
            ledger,
            clock,
            serving: Arc::new(serving),
            agent: None,
            source: None,
            read_only: None,
        }
    }

    /// The registry of an agent: an act is in force there when it is answered.
    pub fn of_agent(agent: &EnhancedBatchProcessor) -> Self {
        let Shared { source, ledger, clock, .. } = agent.shared();
        let serving = Arc::clone(agent.jobs().serving());
        Self {
            ledger,
            clock,
            serving,
            agent: Some(agent.clone()),
            source: Some(source),
            read_only: None,
        }
    }

    /// The same, with the Config Database to ask what users have stated.
    #[must_use]
    pub fn asking(self, source: Arc<dyn PreferenceSource>) -> Self {
        Self { source: Some(source), ..self }
    }

    /// The same, refusing every act with this reason.
    #[must_use]
    pub fn read_only(self, reason: String) -> Self {
        Self { read_only: Some(reason), ..self }
    }

    /// The agent of this process; `None` if only files are acted on.
    pub fn agent(&self) -> Option<&EnhancedBatchProcessor> {
        self.agent.as_ref()
    }

    /// The clock of the acts.
    pub(crate) fn clock(&self) -> &dyn AgentClock {
        &*self.clock
    }

    /// Whom to ask about what should have been done and what was; `None` if nobody here can ask the
    /// Config Database.
    pub(crate) fn evidence(&self) -> Option<Evidence> {
        Some(Evidence {
            source: self.source.clone()?,
            ledger: Arc::clone(&self.ledger),
            clock: Arc::clone(&self.clock),
            jobs: self.jobs_in_force(),
        })
    }

    /// The jobs in force in the agent of this process.
    fn jobs_in_force(&self) -> Option<Jobs> {
        self.agent.as_ref().map(|agent| agent.jobs().clone())
    }

    /// Where it is stored.
    pub(crate) fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// What applying would do.
    pub async fn preview(&self, wanted: &BatchDocuments) -> Result<ApplyReport, RegistryError> {
        let stored = self.ledger.definitions().await?;
        Ok(ApplyReport { changes: self.decide(&stored, wanted)? })
    }

    /// Makes what is stored what is wanted; the rest is removed.
    pub async fn apply(
        &self,
        wanted: &BatchDocuments,
        by: &str,
    ) -> Result<ApplyReport, RegistryError> {
        self.store(wanted, by, None).await
    }

    /// Applies what an agent was started with, unless it was last started with the same.
    pub async fn apply_at_start(
        &self,
        wanted: &BatchDocuments,
        agent: &str,
    ) -> Result<StartReport, RegistryError> {
        let start = StartedWith { agent: agent.to_owned(), documents: wanted.to_json() };
        if self.ledger.started_with(agent).await?.as_ref() == Some(&start.documents) {
            return Ok(StartReport::Known { in_force: self.preview(wanted).await?.is_unchanged() });
        }
        self.store(wanted, &format!("start of {agent}"), Some(start))
            .await
            .map(StartReport::Applied)
    }

    /// Lets a job plan nothing from now on. Returns whether it did before.
    pub async fn pause(&self, job: &JobId) -> Result<bool, RegistryError> {
        self.refuse_if_read_only()?;
        self.find_job(job).await?;
        let ran = self.ledger.pause_job(job, self.clock.now()).await?;
        self.await_reload().await?;
        Ok(ran)
    }

    /// Lets a paused job plan again, from now on (F1). Returns whether it was paused.
    pub async fn resume(&self, job: &JobId) -> Result<bool, RegistryError> {
        self.refuse_if_read_only()?;
        self.find_job(job).await?;
        let was_paused = self.ledger.resume_job(job, self.clock.now()).await?;
        self.await_reload().await?;
        Ok(was_paused)
    }

    /// Runs everybody whom a job serves, now. Returns the name of the trigger, and its runs: one a
    /// group.
    ///
    /// # Errors
    /// [`RegistryError::NoAgent`] if no agent of this process knows the job's groups.
    pub async fn trigger(&self, job: &JobId) -> Result<Triggered, RegistryError> {
        self.refuse_if_read_only()?;
        self.find_job(job).await?;
        let agent = self.agent.as_ref().ok_or(RegistryError::NoAgent)?;
        let triggered = agent.trigger(job).await?;
        let (firing, runs) = triggered.ok_or_else(|| RegistryError::NoSuchJob(job.clone()))?;
        Ok(Triggered { firing, runs })
    }

    /// Returns once the agent of this process stops; never if there is none.
    pub(crate) async fn until_stopping(&self) {
        match &self.agent {
            Some(agent) => agent.until_stopping().await,
            None => std::future::pending().await,
        }
    }

    fn refuse_if_read_only(&self) -> Result<(), RegistryError> {
        self.read_only.clone().map_or(Ok(()), |reason| Err(RegistryError::ReadOnly(reason)))
    }

    async fn find_job(&self, job: &JobId) -> Result<Definition, RegistryError> {
        let stored = self.ledger.definitions().await?;
        let found = stored
            .find(DefinitionKind::Job, job.as_str())
            .filter(|definition| definition.document.is_some());
        found.cloned().ok_or_else(|| RegistryError::NoSuchJob(job.clone()))
    }

    async fn store(
        &self,
        wanted: &BatchDocuments,
        by: &str,
        start: Option<StartedWith>,
    ) -> Result<ApplyReport, RegistryError> {
        self.refuse_if_read_only()?;
        for _ in 0..TRIES {
            let stored = self.ledger.definitions().await?;
            let changes = self.decide(&stored, wanted)?;
            let versions = plan::versions(&changes, by, self.clock.now());
            let edit = DefinitionEdit { based_on: stored.revision, versions, start: start.clone() };
            match self.ledger.store_definitions(edit).await {
                Ok(()) => {
                    self.await_reload().await?;
                    return Ok(ApplyReport { changes });
                }
                Err(LedgerError::RevisionMoved) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RegistryError::Contended)
    }

    /// The changes, if everything can be served afterwards.
    fn decide(
        &self,
        stored: &StoredDefinitions,
        wanted: &BatchDocuments,
    ) -> Result<Vec<DefinitionChange>, RegistryError> {
        wanted.read()?;
        let changes = plan::plan(stored, wanted);
        let after = plan::after(stored, &plan::versions(&changes, "", self.clock.now()));
        let earlier = self.jobs_in_force().map(|jobs| jobs.in_force()).unwrap_or_default();
        let (_set, unserved) = self.serving.serve(&after, &[], &earlier);
        unserved.into_iter().next().map_or(Ok(changes), |error| Err(error.into()))
    }

    /// Waits until the agent of this process acts by what is stored.
    async fn await_reload(&self) -> Result<(), RegistryError> {
        if let Some(agent) = &self.agent {
            agent.jobs().await_reload(self.ledger.definition_revision().await?).await;
        }
        Ok(())
    }
}
