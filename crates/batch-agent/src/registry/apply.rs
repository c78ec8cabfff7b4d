//! Applying a batch config: what is stored becomes what is wanted.

use cohort_ledger::{Alteration, DefinitionEdit, LedgerError, StartedWith, StoredDefinitions};
use cohort_preferences::BatchDocuments;
use serde::Serialize;

use super::plan::{self, DefinitionChange};
use super::{JobRegistry, RegistryError};

/// How often an apply is decided anew because another one was faster.
const TRIES: usize = 10;

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
        /// Whether the batch config is what is stored.
        in_force: bool,
    },
}

impl ApplyReport {
    /// Whether it leaves everything as it is.
    pub fn is_unchanged(&self) -> bool {
        self.changes.iter().all(|change| change.change == Alteration::Unchanged)
    }
}

impl JobRegistry {
    /// Returns what applying would do.
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
        let report = self.store(wanted, &format!("start of {agent}"), Some(start)).await?;
        Ok(StartReport::Applied(report))
    }

    async fn store(
        &self,
        wanted: &BatchDocuments,
        by: &str,
        start: Option<StartedWith>,
    ) -> Result<ApplyReport, RegistryError> {
        self.refuse_operations()?;
        for _ in 0..TRIES {
            let stored = self.ledger.definitions().await?;
            let changes = self.decide(&stored, wanted)?;
            let versions = plan::versions(&changes, by, self.clock.now());
            let edit = DefinitionEdit { based_on: stored.revision, versions, start: start.clone() };
            match self.ledger.store_definitions(edit).await {
                Ok(()) => {
                    self.lift_changed_purposes(&changes).await?;
                    self.await_reload().await?;
                    return Ok(ApplyReport { changes });
                }
                Err(LedgerError::RevisionMoved) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RegistryError::Contended)
    }

    /// Returns the changes, if everything can be served afterwards.
    fn decide(
        &self,
        stored: &StoredDefinitions,
        wanted: &BatchDocuments,
    ) -> Result<Vec<DefinitionChange>, RegistryError> {
        wanted.read()?;
        let changes = plan::plan(stored, wanted);
        let after = plan::after(stored, &plan::versions(&changes, "", self.clock.now()));
        let in_force = self.agent.as_ref().map(|agent| agent.jobs().in_force());
        let (_set, unserved) = self.serving.serve(&after, &[], &in_force.unwrap_or_default());
        unserved.into_iter().next().map_or(Ok(changes), |error| Err(error.into()))
    }
}
