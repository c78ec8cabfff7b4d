//! What an operator has chosen, and the selection that it stands for.

use cohort_ledger::{
    DefinitionKind, FiringName, LedgerError, RunId, SelectedCount, Selection, StatusName,
};
use cohort_preferences::{Job, JobId, PurposeId, TenantId};
use jiff::Timestamp;
use serde::Serialize;

use crate::jobs::read_job;
use crate::registry::{JobRegistry, RegistryError};

/// How many users are named of those whom an operation would touch.
const NAMED: usize = 10;

/// What an operator has chosen, by names; `None`, and nothing in a list, do not restrict.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// Only this run.
    pub run: Option<RunId>,
    /// Only runs of this name, as of one trigger or rerun.
    pub nominal: Option<FiringName>,
    /// Only runs of this job.
    pub job: Option<JobId>,
    /// Only runs of jobs of this purpose.
    pub purpose: Option<PurposeId>,
    /// Only runs of this instant or later.
    pub since: Option<Timestamp>,
    /// Only runs of before this instant.
    pub until: Option<Timestamp>,
    /// Only work of these users.
    pub tenants: Vec<TenantId>,
    /// Only work that ended so.
    pub status: Option<StatusName>,
    /// Only work that ended for this reason.
    pub reason: Option<String>,
    /// Only work whose last error contains this text.
    pub error: Option<String>,
}

/// Which jobs an operator has chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum JobChoice {
    /// This one.
    One(JobId),
    /// Those of a purpose.
    OfPurpose(PurposeId),
    /// All.
    All,
}

/// Whose work an operation touches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChosenWork {
    /// How much it is.
    #[serde(flatten)]
    pub count: SelectedCount,
    /// Some of the users.
    pub named: Vec<TenantId>,
}

impl Choice {
    /// All work of a run.
    pub fn of_run(run: RunId) -> Self {
        Self { run: Some(run), ..Self::default() }
    }

    /// All work of a job.
    pub fn of_job(job: JobId) -> Self {
        Self { job: Some(job), ..Self::default() }
    }
}

impl JobRegistry {
    /// The selection that a choice stands for: of work that has ended by now.
    ///
    /// # Errors
    /// [`RegistryError::NothingOnRecord`] if one of the users has no work on record.
    pub(super) async fn select(&self, choice: &Choice) -> Result<Selection, RegistryError> {
        let numbers = self.ledger.tenant_numbers(choice.tenants.clone()).await?;
        let unknown: Vec<&str> = choice
            .tenants
            .iter()
            .filter(|tenant| !numbers.contains_key(*tenant))
            .map(TenantId::as_str)
            .collect();
        if !unknown.is_empty() {
            return Err(RegistryError::NothingOnRecord(unknown.join(", ")));
        }
        let users = numbers.into_values().collect();
        Ok(Selection { users, ..self.select_runs(choice).await? })
    }

    /// The same without its users: what a choice says of runs, and of how work ended.
    pub(super) async fn select_runs(&self, choice: &Choice) -> Result<Selection, RegistryError> {
        if let Some(run) = choice.run
            && self.ledger.run(run).await?.is_none()
        {
            return Err(LedgerError::NoSuchRun(run).into());
        }
        Ok(Selection {
            run: choice.run,
            nominal: choice.nominal,
            jobs: self.jobs_of_choice(choice).await?,
            since: choice.since,
            until: choice.until,
            users: Vec::new(),
            status: choice.status,
            reason: choice.reason.clone(),
            error: choice.error.clone(),
            ended_by: Some(self.clock.now()),
            without_reruns: false,
        })
    }

    /// The jobs that a choice names, by itself or by a purpose; none if it names neither.
    async fn jobs_of_choice(&self, choice: &Choice) -> Result<Vec<JobId>, RegistryError> {
        let of_purpose = match &choice.purpose {
            Some(purpose) => Some(self.jobs_of(&JobChoice::OfPurpose(purpose.clone())).await?),
            None => None,
        };
        let Some(job) = &choice.job else { return Ok(of_purpose.unwrap_or_default()) };
        self.refuse_unless_known(job).await?;
        match of_purpose {
            Some(jobs) if !jobs.contains(job) => Err(RegistryError::NoSuchJob(job.clone())),
            _ => Ok(vec![job.clone()]),
        }
    }

    /// Refuses the name of a job that there never was: a choice that means nothing is a mistake.
    async fn refuse_unless_known(&self, job: &JobId) -> Result<(), RegistryError> {
        let is_own = self.agent.as_ref().is_some_and(|agent| agent.jobs().find(job).is_some());
        if is_own {
            return Ok(());
        }
        let versions = self.ledger.definition_versions(DefinitionKind::Job, job.as_str()).await?;
        if versions.is_empty() { Err(RegistryError::NoSuchJob(job.clone())) } else { Ok(()) }
    }

    /// The stored jobs that were chosen, by name.
    pub(super) async fn jobs_of(&self, choice: &JobChoice) -> Result<Vec<JobId>, RegistryError> {
        match choice {
            JobChoice::One(job) => {
                self.find_job(job).await?;
                Ok(vec![job.clone()])
            }
            JobChoice::OfPurpose(purpose) => {
                let jobs = self.stored_jobs().await?;
                let of_purpose = jobs.into_iter().filter(|job| job.purpose_id == *purpose);
                let jobs: Vec<JobId> = of_purpose.map(|job| job.job_id).collect();
                if jobs.is_empty() {
                    return Err(RegistryError::NoJobOfPurpose(purpose.clone()));
                }
                Ok(jobs)
            }
            JobChoice::All => {
                Ok(self.stored_jobs().await?.into_iter().map(|job| job.job_id).collect())
            }
        }
    }

    /// The stored jobs in force, by name. One that this version cannot read is not served either.
    pub(super) async fn stored_jobs(&self) -> Result<Vec<Job>, RegistryError> {
        let stored = self.ledger.definitions().await?;
        let jobs = stored.latest.iter().filter(|definition| definition.kind == DefinitionKind::Job);
        Ok(jobs.filter_map(|job| read_job(job.document.as_ref()?).ok()).collect())
    }

    /// Whose work is selected.
    pub(super) async fn chosen_work(
        &self,
        selection: &Selection,
    ) -> Result<ChosenWork, RegistryError> {
        let count = self.ledger.count_selected(selection).await?;
        let named = self.ledger.selected_users(selection, NAMED).await?;
        Ok(ChosenWork { count, named })
    }
}
