//! Work that has ended is done again (D13).

use cohort_ledger::{DefinitionKind, Firing, FiringName, NewRerun, NewRun, Run, RunId, Selection};
use cohort_preferences::{Job, JobId};
use serde::Serialize;
use uuid::Uuid;

use super::choice::{Choice, ChosenWork};
use crate::registry::{JobRegistry, RegistryError};

/// A rerun.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rerun {
    /// Its name.
    pub nominal: FiringName,
    /// Its runs, one a job.
    pub runs: Vec<RunId>,
    /// Whose work is done again.
    #[serde(flatten)]
    pub work: ChosenWork,
}

/// A job that can be run, with the version in force.
struct RunnableJob {
    job: Job,
    version: Option<u32>,
}

impl JobRegistry {
    /// Returns whose work a rerun would do again.
    pub async fn preview_rerun(&self, choice: &Choice) -> Result<ChosenWork, RegistryError> {
        let selection = self.select_for_rerun(choice).await?;
        let jobs = self.runnable_jobs(&selection).await?;
        let jobs = jobs.into_iter().map(|runnable| runnable.job.job_id).collect();
        self.chosen_work(&Selection { jobs, ..selection }).await
    }

    /// Opens a rerun, a run for each job that has work in it. A rerun that was opened before under
    /// the same identifier stays as it is, and is returned.
    ///
    /// # Errors
    /// [`RegistryError::NothingChosen`] if the choice restricts nothing,
    /// [`RegistryError::NothingToDo`] if nothing that has ended is selected,
    /// [`RegistryError::Held`] if the ledger was restored and nobody has said yet how to go on
    /// (F11).
    pub async fn rerun(&self, choice: &Choice, id: Option<Uuid>) -> Result<Rerun, RegistryError> {
        self.refuse_operations()?;
        self.refuse_while_held()?;
        let selection = self.select_for_rerun(choice).await?;
        let firing = Firing::rerun(self.clock.now(), id);
        let (mut reruns, mut jobs) = (Vec::new(), Vec::new());
        for runnable in self.runnable_jobs(&selection).await? {
            let job = runnable.job.job_id.clone();
            let of_job = Selection { jobs: vec![job.clone()], ..selection.clone() };
            let Some(newest) = self.newest_run(&of_job).await? else { continue };
            let run = runnable.run(&newest, firing);
            reruns.push(NewRerun { job: job.clone(), run, selection: of_job });
            jobs.push(job);
        }
        if reruns.is_empty() {
            let nothing = "nothing that has ended is selected by it";
            return Err(RegistryError::NothingToDo(nothing.into()));
        }
        let work = self.chosen_work(&Selection { jobs, ..selection }).await?;
        let runs = self.ledger.open_reruns(reruns, firing.at).await?;
        self.tell_agent().await?;
        Ok(Rerun { nominal: firing.nominal, runs, work })
    }

    /// What a rerun selects. Work of other reruns stands for what is selected itself, so that it is
    /// left out unless its run or its name is chosen.
    async fn select_for_rerun(&self, choice: &Choice) -> Result<Selection, RegistryError> {
        if *choice == Choice::default() {
            let nothing = "say whose work is done again: by run, nominal, job, purpose, since, \
                           until, tenants, status, reason or error";
            return Err(RegistryError::NothingChosen(nothing.into()));
        }
        let without_reruns = choice.run.is_none() && choice.nominal.is_none();
        Ok(Selection { without_reruns, ..self.select(choice).await? })
    }

    /// The jobs in force that a selection may have work of.
    async fn runnable_jobs(
        &self,
        selection: &Selection,
    ) -> Result<Vec<RunnableJob>, RegistryError> {
        let mut jobs = self.all_runnable_jobs().await?;
        let mut named = selection.jobs.clone();
        if let Some(run) = selection.run
            && let Some(run) = self.ledger.run(run).await?
        {
            named.push(run.job_id);
        }
        let is_in_force = |name: &JobId| jobs.iter().any(|runnable| runnable.job.job_id == *name);
        if let Some(removed) = named.iter().find(|name| !is_in_force(name)) {
            return Err(RegistryError::NoSuchJob(removed.clone()));
        }
        jobs.retain(|runnable| named.is_empty() || named.contains(&runnable.job.job_id));
        Ok(jobs)
    }

    async fn all_runnable_jobs(&self) -> Result<Vec<RunnableJob>, RegistryError> {
        if let Some(agent) = &self.agent {
            let in_force = agent.jobs().in_force();
            let runnable = in_force.planned().map(|in_force| RunnableJob {
                job: (*in_force.job).clone(),
                version: in_force.version(),
            });
            return Ok(runnable.collect());
        }
        let stored = self.ledger.definitions().await?;
        let version = |job: &Job| {
            let definition = stored.find(DefinitionKind::Job, job.job_id.as_str());
            definition.map(|definition| definition.version)
        };
        let jobs = self.stored_jobs().await?;
        Ok(jobs.into_iter().map(|job| RunnableJob { version: version(&job), job }).collect())
    }

    /// The newest run that has work of a selection.
    async fn newest_run(&self, selection: &Selection) -> Result<Option<Run>, RegistryError> {
        let newest = self.ledger.selected(selection, None, 1).await?;
        match newest.first() {
            Some(work) => Ok(self.ledger.run(work.run).await?),
            None => Ok(None),
        }
    }
}

impl RunnableJob {
    /// The job's run of a rerun. It stands under the group of the newest run that it repeats.
    fn run(&self, newest: &Run, firing: Firing) -> NewRun {
        NewRun {
            job_version: self.version,
            feature_type: self.job.feature_type.clone(),
            group: newest.group.clone(),
            stated: Vec::new(),
            occurrence: firing,
            priority: self.job.priority,
            unprocessed: None,
        }
    }
}
