//! What operators do to runs: they cancel them, and they requeue users who failed (D6).
//!
//! ```text
//! cancel_run ──► run: canceled_at ──► whoever holds or claims a chunk of it skips the users
//!                                     who were not called yet ──► closed
//!
//! dead_letters ──► outcome: failed ──requeue──► outcome: requeued, and an open member of a
//!                                               new chunk ──record_outcomes──► final again
//! ```
//!
//! Both operations only note what is wanted, in one small transaction, and the agents carry it out
//! as they come to the work: canceling a run of a million users takes no longer than canceling a
//! small one.
//!
//! A requeue is not an occurrence: the settings are read anew (M3), the job's `deadline` and its
//! retries count from the requeue, and nobody asks whether the job has run the user that day (M6).
//! Attempts go on counting, and the key stays unless another is asked for (D1). The failure that
//! was recorded is kept beside the outcome, since the feed may have shown it (F7).

use std::collections::HashSet;

use async_trait::async_trait;
use cohort_preferences::{JobId, TenantId};
use jiff::Timestamp;

use crate::sealed::Sealed;
use crate::{FailedReason, LedgerError, Run, RunId};

/// Which failed users are meant; `None`, and no tenants, do not restrict.
#[derive(Debug, Clone)]
pub struct DeadLetterQuery {
    /// Only those of this run.
    pub run: Option<RunId>,
    /// Only those of this job.
    pub job: Option<JobId>,
    /// Only those of occurrences at this instant or later.
    pub since: Option<Timestamp>,
    /// Only these users.
    pub tenants: Vec<TenantId>,
    /// Only those who failed for this reason.
    pub reason: Option<FailedReason>,
    /// Only those whose last error contains this text.
    pub error: Option<String>,
    /// Only those who had failed by then: a user who is requeued and fails again is not meant once
    /// more.
    pub failed_by: Timestamp,
    /// Only those after this place of this run.
    pub after: Option<(RunId, u64)>,
}

/// A user who failed, and whom nothing tries again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The run in which the user failed.
    pub run: RunId,
    /// The user's place in the run.
    pub ordinal: u64,
    /// The user's name.
    pub tenant_id: TenantId,
}

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

    /// Returns the canceled runs that are still open.
    async fn canceled_runs(&self) -> Result<HashSet<RunId>, LedgerError>;

    /// Returns users who failed, by run and place.
    async fn dead_letters(
        &self,
        query: DeadLetterQuery,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, LedgerError>;

    /// Requeues those of these users who are failed, in one transaction, and reopens their runs.
    /// Returns how many were requeued: when two requeue the same user at once, one of them does.
    ///
    /// # Errors
    /// [`LedgerError::RunIsBeingCanceled`] if one of the runs is; then nobody is requeued.
    async fn requeue(&self, requeue: Requeue) -> Result<u64, LedgerError>;
}
