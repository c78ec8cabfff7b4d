//! What operators do to runs: they cancel and stop them, and requeue users who failed (D6, D14).
//!
//! ```text
//! cancel ──► run: canceled_at ──► whoever holds or claims a chunk of it skips the users
//!                                 who were not called yet ──► closed
//! stop ──► the same for all open runs, and the jobs are paused with it
//!
//! selected ──► outcome: failed ──requeue──► outcome: requeued, and an open member of a
//!                                           new chunk ──record_outcomes──► final again
//! ```
//!
//! All operations only note what is wanted, in one small transaction, and the agents carry it out
//! as they come to the work: canceling a run of a million users takes no longer than canceling a
//! small one.
//!
//! A requeue is not an occurrence: the settings are read anew (M3), the job's `deadline` and its
//! retries count from the requeue, and nobody asks whether the job has run the user that day (M6).
//! Attempts go on counting, and the key stays unless another is asked for (D1). The failure that
//! was recorded is kept beside the outcome, since the feed may have shown it (F7).

use std::collections::HashSet;

use async_trait::async_trait;
use cohort_preferences::JobId;
use jiff::Timestamp;

use crate::sealed::Sealed;
use crate::{LedgerError, OpenRuns, Run, RunId, Selection};

/// Failed users who are to be tried again.
#[derive(Debug, Clone)]
pub struct Requeue {
    /// The users, each by run and place.
    pub places: Vec<(RunId, u64)>,
    /// What makes their keys differ from those of the occurrence (D1); `None` leaves the keys as
    /// they are.
    pub key_nonce: Option<String>,
    /// Now.
    pub at: Timestamp,
}

/// The part of the ledger that operators act on.
#[async_trait]
pub trait OperationLedger: Sealed {
    /// Cancels a run, so that users who were not called yet will be skipped. Returns the run; a run
    /// that is canceled already stays as it is.
    ///
    /// # Errors
    /// [`LedgerError::NoSuchRun`]; [`LedgerError::RunEnded`] if the run was closed without being
    /// canceled.
    async fn cancel_run(&self, run: RunId, now: Timestamp) -> Result<Run, LedgerError>;

    /// Cancels the open runs that are selected by what is said of runs, in one transaction. Returns
    /// what was canceled.
    async fn cancel_runs(
        &self,
        selection: &Selection,
        now: Timestamp,
    ) -> Result<OpenRuns, LedgerError>;

    /// Pauses these jobs and cancels the open runs that are selected, in one transaction (D14).
    /// What a plan opens for one of the jobs before the pause ends is not processed either. Returns
    /// what was canceled.
    async fn stop(
        &self,
        jobs: &[JobId],
        selection: &Selection,
        now: Timestamp,
    ) -> Result<OpenRuns, LedgerError>;

    /// Returns the canceled runs that are still open.
    async fn canceled_runs(&self) -> Result<HashSet<RunId>, LedgerError>;

    /// Requeues those of these users who are failed, in one transaction, and reopens their runs.
    /// Returns how many were requeued: when two requeue the same user at once, one of them does.
    ///
    /// # Errors
    /// [`LedgerError::RunIsBeingCanceled`] if one of the runs is; then nobody is requeued.
    async fn requeue(&self, requeue: Requeue) -> Result<u64, LedgerError>;
}
