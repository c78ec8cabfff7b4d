//! Which jobs are in force, and how they are replaced while work goes on.
//!
//! [`Jobs`] owns the set and swaps it as a whole. When to look for a newer one, and what it means
//! for the schedules, is the scheduler's part (`scheduler/reload.rs`). Whoever has stored something
//! may wait here until the set holds it.

mod error;
mod history;
mod serving;
mod set;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use cohort_ledger::{
    Definition, DefinitionKind, Ledger, LedgerError, RunQuery, RunState, StoredDefinitions,
};
use cohort_preferences::JobId;
use tokio::sync::{Notify, watch};

pub use self::error::BuildError;
pub(crate) use self::history::{JobHistory, JobVersion};
pub use self::serving::Serving;
pub(crate) use self::set::read_job;
pub(crate) use self::set::{JobInForce, JobSet, Patience, Purpose};

/// How long an operation waits at most for its own agent to know of it; the agent looks by itself
/// soon anyway.
const LONGEST_RELOAD: Duration = Duration::from_secs(5);

/// The jobs in force of one agent; cheap to clone.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>);

struct Inner {
    ledger: Arc<dyn Ledger>,
    serving: Arc<Serving>,
    /// Replaced as a whole.
    in_force: RwLock<Arc<JobSet>>,
    /// The stored revision that the set comes from; 0 before anything was read.
    revision: watch::Sender<u64>,
    /// Told when a newer revision has been stored.
    newer: Notify,
}

impl Jobs {
    /// The jobs that the program itself brings along, before anything stored is read.
    pub(crate) fn new(ledger: Arc<dyn Ledger>, serving: Serving) -> Self {
        Self(Arc::new(Inner {
            ledger,
            in_force: RwLock::new(Arc::new(serving.own())),
            serving: Arc::new(serving),
            revision: watch::Sender::new(0),
            newer: Notify::new(),
        }))
    }

    /// The jobs in force.
    pub(crate) fn in_force(&self) -> Arc<JobSet> {
        let set = self.0.in_force.read().expect("the set is swapped by code that does not panic");
        Arc::clone(&set)
    }

    /// A job whose runs can be processed, whether it is still planned or not.
    pub(crate) fn find(&self, job: &JobId) -> Option<Arc<JobInForce>> {
        self.in_force().find(job).cloned()
    }

    /// Whether stored jobs and purposes are followed.
    pub(crate) fn follow_stored(&self) -> bool {
        self.0.serving.follows_stored()
    }

    /// What the agent can serve.
    pub(crate) fn serving(&self) -> &Arc<Serving> {
        &self.0.serving
    }

    /// The set that is stored, and what of it cannot be served here. It is not in force yet.
    pub(crate) async fn read(
        &self,
        stored: &StoredDefinitions,
    ) -> Result<(JobSet, Vec<BuildError>), LedgerError> {
        let retired = self.retired(stored).await?;
        Ok(self.0.serving.serve(stored, &retired, &self.in_force()))
    }

    /// Puts a set in force: work that is claimed from now on follows it.
    pub(crate) fn replace(&self, set: JobSet) -> Arc<JobSet> {
        let set = Arc::new(set);
        *self.0.in_force.write().expect("the set is swapped by code that does not panic") =
            Arc::clone(&set);
        set
    }

    /// The stored revision that is in force here.
    pub(crate) fn revision(&self) -> u64 {
        *self.0.revision.borrow()
    }

    /// Notes that everything up to a revision is in force, and tells those who wait for it.
    pub(crate) fn note_revision(&self, revision: u64) {
        self.0.revision.send_replace(revision);
    }

    /// Returns when somebody says that a newer revision is stored.
    pub(crate) async fn told_of_newer(&self) {
        self.0.newer.notified().await;
    }

    /// Says that a newer revision is stored, and waits until it is in force here. An agent that
    /// cannot read it now reloads later, so that the wait has an end.
    pub(crate) async fn await_reload(&self, revision: u64) {
        self.0.newer.notify_one();
        let mut in_force = self.0.revision.subscribe();
        let reached = in_force.wait_for(|in_force| *in_force >= revision);
        if tokio::time::timeout(LONGEST_RELOAD, reached).await.is_err() {
            tracing::warn!(revision, "what was stored is not in force here yet");
        }
    }

    /// The last documents of removed jobs that still have open work, and of the purposes that they
    /// name.
    async fn retired(&self, stored: &StoredDefinitions) -> Result<Vec<Definition>, LedgerError> {
        let mut retired = Vec::new();
        for removed in stored.removed(DefinitionKind::Job) {
            let Ok(job_id) = removed.name.parse() else { continue };
            if !self.has_open_runs(&job_id).await? {
                continue;
            }
            let Some(job) = self.last_document(DefinitionKind::Job, &removed.name).await? else {
                continue;
            };
            retired.extend(self.removed_purpose_of(&job, stored).await?);
            retired.push(job);
        }
        Ok(retired)
    }

    async fn has_open_runs(&self, job: &JobId) -> Result<bool, LedgerError> {
        for state in [RunState::Reading, RunState::Processing] {
            let query = RunQuery {
                job: Some(job.clone()),
                state: Some(state),
                limit: Some(1),
                ..RunQuery::default()
            };
            if !self.0.ledger.runs(query).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The last document of the purpose that a job names, if that was removed too.
    async fn removed_purpose_of(
        &self,
        job: &Definition,
        stored: &StoredDefinitions,
    ) -> Result<Option<Definition>, LedgerError> {
        let Some(Ok(job)) = job.document.as_ref().map(read_job) else { return Ok(None) };
        let purpose = job.purpose_id.as_str();
        let is_stored = stored
            .find(DefinitionKind::Purpose, purpose)
            .is_some_and(|purpose| purpose.document.is_some());
        if is_stored {
            return Ok(None);
        }
        self.last_document(DefinitionKind::Purpose, purpose).await
    }

    /// The last version of a definition that was not a removal.
    async fn last_document(
        &self,
        kind: DefinitionKind,
        name: &str,
    ) -> Result<Option<Definition>, LedgerError> {
        let versions = self.0.ledger.definition_versions(kind, name).await?;
        Ok(versions.into_iter().rfind(|version| version.document.is_some()))
    }
}
