//! Why an operation on jobs, purposes or runs was not done.

use cohort_ledger::{HealthState, LedgerError, RunId};
use cohort_preferences::{BatchConfigError, JobId, PurposeId};

use crate::jobs::BuildError;

/// Why an operation was not done.
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
    /// No job in force is of this purpose.
    #[error("no job in force is of the purpose {0}")]
    NoJobOfPurpose(PurposeId),
    /// The choice does not say what is meant, for this reason.
    #[error("{0}")]
    NothingChosen(String),
    /// What was chosen leaves nothing to do, for this reason (F12).
    #[error("{0}")]
    NothingToDo(String),
    /// No work of these users is on record.
    #[error("nothing is on record of: {0}")]
    NothingOnRecord(String),
    /// There is no purpose of this name.
    #[error("there is no purpose {0}")]
    NoSuchPurpose(PurposeId),
    /// The purpose is in that state already.
    #[error("purpose {purpose} is {} already: nothing was changed", state.as_str())]
    PurposeAlreadySo {
        /// Which purpose.
        purpose: PurposeId,
        /// In which.
        state: HealthState,
    },
    /// Users who are to be tried again have not failed, or not as asked for; each is named with
    /// what is recorded instead.
    #[error("not failed as asked for: {0}")]
    NotFailed(String),
    /// Nothing can be changed here, for this reason.
    #[error("{0}")]
    ReadOnly(String),
    /// It takes an agent that plans, and there is none in this process.
    #[error(
        "no agent runs here, and only an agent knows the groups of its jobs; `cohort up` starts one"
    )]
    NoAgent,
    /// The agent of this process has not read the groups of its jobs yet (F12).
    #[error("the agent starts: the groups of its jobs are not read yet")]
    Starting,
    /// The agent of this process does not plan a job that is stored.
    #[error(
        "job {0} is stored and not in force here: this agent has not taken it over yet, or cannot \
         serve it, as its log says"
    )]
    NotInForce(JobId),
    /// Nobody is run by a job.
    #[error("job {job} runs nobody: {why}")]
    NobodyToRun {
        /// Which job.
        job: JobId,
        /// Why not.
        why: &'static str,
    },
    /// The job is in that state already.
    #[error("job {job} {state}: nothing was changed")]
    AlreadySo {
        /// Which job.
        job: JobId,
        /// In which.
        state: &'static str,
    },
    /// Nobody has failed as asked for.
    #[error("nobody has failed as asked for: nothing was changed")]
    NobodyFailed,
    /// The run was canceled before.
    #[error("run {0} was canceled before: nothing was changed")]
    AlreadyCanceled(RunId),
    /// The ledger was restored, and nobody is called before an operator decides (F11).
    #[error(
        "the ledger was restored, and nobody is called before `cohort recover` says how it goes on"
    )]
    Held,
    /// The ledger was not restored, or somebody has decided already.
    #[error("the ledger does not wait for a decision: nothing was changed")]
    NotHeld,
    /// Others were faster again and again.
    #[error("jobs and purposes are being changed by others; try again")]
    Contended,
    /// The ledger did not take or give what was asked.
    #[error("keeping jobs and purposes")]
    Ledger(#[from] LedgerError),
}
