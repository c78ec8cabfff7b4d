//! Taking over what jobs and purposes are stored, while work goes on.
//!
//! The processor holds the set and swaps it; when to look and what a new set means for the
//! schedules is the scheduler's part (`scheduler/adopt.rs`). Whoever has stored something may wait
//! here until the set holds it.

use std::sync::Arc;
use std::time::Duration;

use cohort_preferences::JobId;
use tokio::sync::{Notify, watch};

use super::job_set::{BuildError, JobInForce, JobSet};
use super::{EnhancedBatchProcessor, Inner, Serving, read_job};
use crate::ledger::{
    Definition, DefinitionKind, LedgerError, RunQuery, RunState, StoredDefinitions,
};

/// How long an act waits at most for its own agent to know of it; the agent looks by itself soon
/// anyway.
const LONGEST_ADOPTION: Duration = Duration::from_secs(5);

/// Which revision this agent acts by, and the bell that says that there is a newer one.
pub(super) struct Adoption {
    /// The revision of the set in force; 0 before anything was read.
    adopted: watch::Sender<u64>,
    told: Notify,
}

impl Default for Adoption {
    fn default() -> Self {
        Self { adopted: watch::Sender::new(0), told: Notify::new() }
    }
}

impl Inner {
    pub(super) fn find_job(&self, job: &JobId) -> Option<Arc<JobInForce>> {
        self.jobs.read().expect("the set is swapped by code that does not panic").find(job).cloned()
    }

    /// The last documents of removed jobs that still have open work, and of the purposes that they
    /// name.
    async fn retired(&self, stored: &StoredDefinitions) -> Result<Vec<Definition>, LedgerError> {
        let mut retired = Vec::new();
        for removed in stored.latest.iter().filter(|definition| {
            definition.kind == DefinitionKind::Job && definition.document.is_none()
        }) {
            let Ok(job_id) = removed.name.parse() else { continue };
            if !self.has_open_runs(&job_id).await? {
                continue;
            }
            let Some(job) = self.last_document(DefinitionKind::Job, &removed.name).await? else {
                continue;
            };
            if let Some(Ok(read)) = job.document.as_ref().map(read_job)
                && stored
                    .find(DefinitionKind::Purpose, read.purpose_id.as_str())
                    .is_none_or(|purpose| purpose.document.is_none())
            {
                retired.extend(
                    self.last_document(DefinitionKind::Purpose, read.purpose_id.as_str()).await?,
                );
            }
            retired.push(job);
        }
        Ok(retired)
    }

    async fn has_open_runs(&self, job: &JobId) -> Result<bool, LedgerError> {
        for state in [RunState::Reading, RunState::Processing] {
            let query = RunQuery {
                job: Some(job.clone()),
                state: Some(state),
                before: None,
                limit: Some(1),
            };
            if !self.ledger.runs(query).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The last version of a definition that was not a removal.
    async fn last_document(
        &self,
        kind: DefinitionKind,
        name: &str,
    ) -> Result<Option<Definition>, LedgerError> {
        let versions = self.ledger.definition_versions(kind, name).await?;
        Ok(versions.into_iter().rfind(|version| version.document.is_some()))
    }
}

impl EnhancedBatchProcessor {
    /// The jobs in force.
    pub(crate) fn jobs(&self) -> Arc<JobSet> {
        Arc::clone(&self.0.jobs.read().expect("the set is swapped by code that does not panic"))
    }

    /// Whether stored jobs and purposes are followed.
    pub(crate) fn follows_stored(&self) -> bool {
        self.0.serving.factory.is_some()
    }

    /// What it can serve.
    pub(crate) fn serving(&self) -> &Arc<Serving> {
        &self.0.serving
    }

    /// The set that is stored, and what of it cannot be served here. It is not in force yet.
    pub(crate) async fn read_jobs(
        &self,
        stored: &StoredDefinitions,
    ) -> Result<(JobSet, Vec<BuildError>), LedgerError> {
        let retired = self.0.retired(stored).await?;
        Ok(self.0.serving.serve(stored, &retired, &self.jobs()))
    }

    /// Puts a set in force: what is claimed from now on goes by it.
    pub(crate) fn replace_jobs(&self, set: JobSet) -> Arc<JobSet> {
        let set = Arc::new(set);
        *self.0.jobs.write().expect("the set is swapped by code that does not panic") =
            Arc::clone(&set);
        set
    }

    /// The revision that this agent acts by.
    pub(crate) fn adopted_revision(&self) -> u64 {
        *self.0.adoption.adopted.borrow()
    }

    /// Notes that everything up to a revision is in force, and tells those who wait for it.
    pub(crate) fn note_adopted(&self, revision: u64) {
        self.0.adoption.adopted.send_replace(revision);
    }

    /// Returns when somebody says that there is something newer.
    pub(crate) async fn told_of_newer(&self) {
        self.0.adoption.told.notified().await;
    }

    /// Says that a newer revision is stored, and waits until it is in force here. An agent that
    /// cannot read it now takes it over later, so that the wait has an end.
    pub(crate) async fn await_adoption(&self, revision: u64) {
        self.0.adoption.told.notify_one();
        let mut adopted = self.0.adoption.adopted.subscribe();
        let reached = adopted.wait_for(|adopted| *adopted >= revision);
        if tokio::time::timeout(LONGEST_ADOPTION, reached).await.is_err() {
            tracing::warn!(revision, "what was stored is not in force here yet");
        }
    }
}
