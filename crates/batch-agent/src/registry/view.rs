//! Jobs, purposes and schedules as they are shown.

use std::collections::BTreeMap;

use cohort_ledger::{Definition, DefinitionKind, Pause, PurposeHealth, StoredDefinitions, Waiting};
use cohort_preferences::{BatchDocuments, JobId, PurposeId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{JobRegistry, RegistryError};
use crate::processor::health::transitions::lapsed;
use crate::schedules::{Outlook, ScheduleKey, ScheduleView};

/// A job in force, and when it runs next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobView {
    /// Its name.
    pub job_id: String,
    /// The version in force.
    pub version: u32,
    /// Whether it plans.
    pub state: JobState,
    /// When the version was applied.
    pub applied_at: Timestamp,
    /// By whom.
    pub applied_by: String,
    /// Its last pause.
    #[serde(flatten)]
    pub pause: Option<Pause>,
    /// When the agent runs it next; `None` if no agent of this process serves it.
    #[serde(flatten)]
    pub outlook: Option<Outlook>,
    /// The job as it was written.
    pub job: Value,
}

/// Whether a job plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It runs when its groups are due.
    Active,
    /// It plans nothing until it is resumed.
    Paused,
}

/// A purpose in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PurposeView {
    /// Its name.
    pub purpose_id: String,
    /// The version in force.
    pub version: u32,
    /// When the version was applied.
    pub applied_at: Timestamp,
    /// By whom.
    pub applied_by: String,
    /// How it does: its state, since when, and why (D12).
    pub health: PurposeHealth,
    /// Since when its longest waiting work could have been begun; `None` if none waits.
    pub waiting_since: Option<Timestamp>,
    /// The purpose as it was written.
    pub purpose: Value,
}

impl JobRegistry {
    /// Returns the jobs in force, by name.
    pub async fn jobs(&self) -> Result<Vec<JobView>, RegistryError> {
        let stored = self.ledger.definitions().await?;
        let view = |(definition, job): (Definition, Value)| {
            let id: Option<JobId> = definition.name.parse().ok();
            let pause = id.as_ref().and_then(|id| stored.pauses.get(id)).copied();
            let is_paused = pause.is_some_and(|pause| pause.lasts());
            JobView {
                job_id: definition.name,
                version: definition.version,
                state: if is_paused { JobState::Paused } else { JobState::Active },
                applied_at: definition.applied_at,
                applied_by: definition.applied_by,
                pause,
                outlook: id.and_then(|id| self.agent.as_ref()?.schedules().outlook(&id)),
                job,
            }
        };
        Ok(in_force(&stored.latest, DefinitionKind::Job).map(view).collect())
    }

    /// Returns the purposes in force, by name.
    pub async fn purposes(&self) -> Result<Vec<PurposeView>, RegistryError> {
        let stored = self.ledger.definitions().await?;
        let (known, now) = (self.ledger.purpose_health().await?, self.clock.now());
        let waiting = waiting_since(&stored, self.ledger.backlog(now).await?);
        let view = |(definition, purpose): (Definition, Value)| {
            let Definition { name: purpose_id, version, applied_at, applied_by, .. } = definition;
            let id: PurposeId = purpose_id.parse().ok()?;
            let health = known.iter().find(|health| health.purpose == id).cloned();
            let health = health.unwrap_or_else(|| PurposeHealth::healthy(id));
            let health = lapsed(&health, now);
            let waiting_since = waiting.get(&purpose_id).copied();
            Some(PurposeView {
                purpose_id,
                version,
                applied_at,
                applied_by,
                health,
                waiting_since,
                purpose,
            })
        };
        Ok(in_force(&stored.latest, DefinitionKind::Purpose).filter_map(view).collect())
    }

    /// Returns what is in force, as one batch config.
    pub async fn documents(&self) -> Result<BatchDocuments, RegistryError> {
        let stored = self.ledger.definitions().await?;
        let jobs = in_force(&stored.latest, DefinitionKind::Job)
            .filter_map(|(job, document)| Some((job.name.parse().ok()?, document)));
        let purposes = in_force(&stored.latest, DefinitionKind::Purpose);
        let purposes =
            purposes.filter_map(|(purpose, document)| Some((purpose.name.parse().ok()?, document)));
        Ok(BatchDocuments { jobs: jobs.collect(), purposes: Some(purposes.collect()) })
    }

    /// Returns every version of a job, oldest first, also of one that was removed.
    ///
    /// # Errors
    /// [`RegistryError::NoSuchJob`] if there never was such a job.
    pub async fn job_versions(&self, job: &JobId) -> Result<Vec<Definition>, RegistryError> {
        let versions = self.ledger.definition_versions(DefinitionKind::Job, job.as_str()).await?;
        if versions.is_empty() { Err(RegistryError::NoSuchJob(job.clone())) } else { Ok(versions) }
    }

    /// Returns a page of schedules after a key, of one job or of all, by job and group.
    ///
    /// # Errors
    /// [`RegistryError::NoAgent`] if no agent of this process plans.
    pub fn schedules(
        &self,
        job: Option<&JobId>,
        after: Option<&ScheduleKey>,
        limit: usize,
    ) -> Result<Vec<ScheduleView>, RegistryError> {
        let agent = self.agent.as_ref().ok_or(RegistryError::NoAgent)?;
        let wanted = |view: &ScheduleView| {
            job.is_none_or(|job| view.job_id == *job)
                && after
                    .is_none_or(|after| (&view.job_id, &view.group) > (&after.job_id, &after.group))
        };
        Ok(agent.schedules().view().into_iter().filter(wanted).take(limit).collect())
    }
}

/// Since when the longest waiting work of each purpose could have been begun.
fn waiting_since(stored: &StoredDefinitions, backlog: Vec<Waiting>) -> BTreeMap<String, Timestamp> {
    let mut since: BTreeMap<String, Timestamp> = BTreeMap::new();
    for waiting in backlog {
        let job = stored.find(DefinitionKind::Job, waiting.lane.job.as_str());
        let document = job.and_then(|job| job.document.as_ref());
        let Some(purpose) = document.and_then(|job| job["purpose_id"].as_str()) else { continue };
        let first = since.entry(purpose.to_owned()).or_insert(waiting.since);
        *first = waiting.since.min(*first);
    }
    since
}

pub(super) fn in_force(
    definitions: &[Definition],
    kind: DefinitionKind,
) -> impl Iterator<Item = (Definition, Value)> {
    let of_kind = definitions.iter().filter(move |definition| definition.kind == kind);
    of_kind.filter_map(|definition| Some((definition.clone(), definition.document.clone()?)))
}
