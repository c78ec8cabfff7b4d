//! One act that ends open work (D14), and the cancel of what is selected.

use cohort_ledger::{OpenRuns, Selection};
use cohort_preferences::JobId;
use serde::Serialize;

use super::choice::{Choice, JobChoice};
use crate::registry::{JobRegistry, RegistryError};

/// What was stopped, or would be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stopped {
    /// The jobs that plan nothing until they are resumed.
    pub jobs: Vec<JobId>,
    /// The open runs that end.
    #[serde(flatten)]
    pub open: OpenRuns,
}

impl JobRegistry {
    /// Returns what a stop would end.
    pub async fn preview_stop(&self, choice: &JobChoice) -> Result<Stopped, RegistryError> {
        let jobs = self.jobs_of(choice).await?;
        let open = self.ledger.count_open_runs(&open_runs_of(choice, &jobs)).await?;
        Ok(Stopped { jobs, open })
    }

    /// Pauses jobs and ends their open work: no call begins any more once this has returned, on
    /// other agents a second later. Who was not called is skipped (canceled). It needs no
    /// schedules, so that it is never refused while they are read.
    pub async fn stop(&self, choice: &JobChoice) -> Result<Stopped, RegistryError> {
        self.refuse_if_read_only()?;
        let jobs = self.jobs_of(choice).await?;
        let runs = open_runs_of(choice, &jobs);
        let open = self.ledger.stop(&jobs, &runs, self.clock.now()).await?;
        self.tell_agent().await?;
        self.await_reload().await?;
        Ok(Stopped { jobs, open })
    }

    /// Returns what a cancel would end.
    pub async fn preview_cancel(&self, choice: &Choice) -> Result<OpenRuns, RegistryError> {
        let selection = self.select_for_cancel(choice).await?;
        Ok(self.ledger.count_open_runs(&selection).await?)
    }

    /// Ends the open runs that are chosen, whose jobs go on planning.
    ///
    /// # Errors
    /// [`RegistryError::NothingChosen`] if the choice does not say which runs,
    /// [`RegistryError::NothingToDo`] if none of them is open.
    pub async fn cancel(&self, choice: &Choice) -> Result<OpenRuns, RegistryError> {
        self.refuse_if_read_only()?;
        let selection = self.select_for_cancel(choice).await?;
        let canceled = self.ledger.cancel_runs(&selection, self.clock.now()).await?;
        if canceled.runs == 0 {
            let nothing = "no run that is open is selected by it";
            return Err(RegistryError::NothingToDo(nothing.into()));
        }
        self.tell_agent().await?;
        Ok(canceled)
    }

    async fn select_for_cancel(&self, choice: &Choice) -> Result<Selection, RegistryError> {
        if !choice.tenants.is_empty()
            || choice.status.is_some()
            || choice.reason.is_some()
            || choice.error.is_some()
        {
            let runs_only = "a cancel ends whole runs: tenants, status, reason and error say \
                             nothing of what is open";
            return Err(RegistryError::NothingChosen(runs_only.into()));
        }
        if *choice == Choice::default() {
            let nothing = "say which runs are canceled: by run, nominal, job, purpose, since or \
                           until; POST /api/v1/stop ends everything";
            return Err(RegistryError::NothingChosen(nothing.into()));
        }
        self.select_runs(choice).await
    }
}

/// The open runs that a stop ends: all there are, also of jobs that were removed, if everything is
/// stopped.
fn open_runs_of(choice: &JobChoice, jobs: &[JobId]) -> Selection {
    let jobs = if *choice == JobChoice::All { Vec::new() } else { jobs.to_vec() };
    Selection { jobs, ..Selection::default() }
}
