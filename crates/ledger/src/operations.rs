//! What operators do to runs: they cancel them, and they requeue users who failed (D6).
//!
//! ```text
//! cancel_run ──► run: canceled_at ──► who holds or claims a chunk of it skips those who were not called yet ──► closed
//!
//! dead_letters ──► outcome: failed ──requeue──► outcome: requeued, and an open member of a new chunk ──record_outcomes──► final again
//! ```
//!
//! Both acts only note what is wanted, in one small transaction, and the agents do it as they come
//! to the work: a run of a million users is canceled at once, and it takes no longer to say so.
//!
//! A requeue is an act of its own and not an occurrence: the settings are read anew (M3), the job's
//! `deadline` and its retries count from the requeue, and nobody asks whether the job has run the
//! user that day (M6). Attempts go on counting, and the key stays unless another is asked for (D1).
//! The failure that was recorded is kept beside the outcome, so that the feed has shown it to
//! everybody (F7).

use std::collections::HashSet;

use async_trait::async_trait;
use cohort_preferences::{JobId, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{FailedReason, LedgerError, OpenMember, Run, RunId, RunState};

/// That an operator has requeued a member after a failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Requeued {
    /// When.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// How often the handler had been called for the member before.
    #[serde(rename = "a")]
    pub attempts_before: u32,
    /// What makes the key another than that of the occurrence (D1); `None` if it is that.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub key_nonce: Option<String>,
}

/// Which failed users are meant; `None`, and no tenants, do not restrict.
#[derive(Debug, Clone)]
pub struct DeadLetterQuery {
    /// Of one run.
    pub run: Option<RunId>,
    /// Of one job.
    pub job: Option<JobId>,
    /// Of occurrences at this instant or later.
    pub since: Option<Timestamp>,
    /// Of these users only.
    pub tenants: Vec<TenantId>,
    /// With this reason.
    pub reason: Option<FailedReason>,
    /// Whose last error has this in it.
    pub error: Option<String>,
    /// Who had failed by then: who is requeued and fails again is not meant once more.
    pub failed_by: Timestamp,
    /// Behind this place.
    pub after: Option<(RunId, u64)>,
}

/// A user who failed, and whom nothing tries again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// In which run.
    pub run: RunId,
    /// At which place of it.
    pub ordinal: u64,
    /// Who.
    pub tenant_id: TenantId,
}

/// Failed users who are to be tried again.
#[derive(Debug, Clone)]
pub struct Requeue {
    /// Their places.
    pub places: Vec<(RunId, u64)>,
    /// What makes their keys other ones (D1); `None` leaves them as they are.
    pub key_nonce: Option<String>,
    /// Now.
    pub at: Timestamp,
}

/// The part of the ledger that operators act on.
#[async_trait]
pub trait OperationLedger: Send + Sync {
    /// Cancels a run: who was not called yet will be skipped. Returns the run; one that is canceled
    /// already stays as it is.
    ///
    /// # Errors
    /// [`LedgerError::NoSuchRun`]; [`LedgerError::RunEnded`] if it was closed without being
    /// canceled.
    async fn cancel_run(&self, run: RunId, now: Timestamp) -> Result<Run, LedgerError>;

    /// The canceled runs that are still open.
    async fn canceled_runs(&self) -> Result<HashSet<RunId>, LedgerError>;

    /// Users who failed, by run and place.
    async fn dead_letters(
        &self,
        query: DeadLetterQuery,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, LedgerError>;

    /// Requeues those of these who are failed, in one transaction, and reopens their runs. Answers
    /// how many they were: of two who requeue the same user at once, one does.
    ///
    /// # Errors
    /// [`LedgerError::RunIsBeingCanceled`] if one of the runs is; then nobody is requeued.
    async fn requeue(&self, requeue: Requeue) -> Result<u64, LedgerError>;
}

/// In how many runs of a job a user is open (F10).
#[derive(Debug, Default)]
pub(crate) struct OpenRuns {
    /// As an occurrence.
    due: usize,
    requeued: bool,
}

impl OpenRuns {
    pub(crate) fn add(&mut self, member: &OpenMember) {
        match member.requeued {
            Some(_) => self.requeued = true,
            None => self.due += 1,
        }
    }

    /// The number by which another run is decided on. Who was requeued lets it wait; but that alone
    /// makes nobody be skipped, for an operator may requeue what failed in many runs.
    pub(crate) fn counted(&self) -> usize {
        self.due.max(usize::from(self.requeued))
    }
}

impl Run {
    /// Whether an operator's cancel changes it; not if it is canceled already.
    pub(crate) fn cancel_changes(&self) -> Result<bool, LedgerError> {
        match (self.canceled_at, self.state) {
            (Some(_), _) => Ok(false),
            (None, RunState::Closed) => {
                Err(LedgerError::RunEnded { run: self.id, closed_at: self.closed_at })
            }
            (None, RunState::Reading | RunState::Processing) => Ok(true),
        }
    }
}

impl OpenMember {
    /// A member who failed, and is to be tried again.
    pub(crate) fn requeued(ordinal: u64, number: u64, requeued: Requeued) -> Self {
        Self {
            ordinal,
            number,
            attempts: requeued.attempts_before,
            settings: None,
            requeued: Some(requeued),
        }
    }

    /// Whether nobody has worked on it: neither was the handler called, nor has an operator acted.
    pub fn is_unbegun(&self) -> bool {
        self.attempts == 0 && self.requeued.is_none()
    }

    /// How often the handler was called since it was last to be done: as an occurrence, or after a
    /// requeue.
    pub fn attempts_of_turn(&self) -> u32 {
        self.attempts - self.requeued.as_ref().map_or(0, |requeued| requeued.attempts_before)
    }

    /// Whether the next call would be a retry (D4).
    pub fn is_retry(&self) -> bool {
        self.attempts_of_turn() > 0
    }

    /// The instant from which the job's deadline counts (D7).
    pub fn due_at(&self, run: &Run) -> Timestamp {
        self.requeued.as_ref().map_or(run.occurrence.at, |requeued| requeued.at)
    }

    /// What makes its key another than that of the occurrence.
    pub fn key_nonce(&self) -> Option<&str> {
        self.requeued.as_ref()?.key_nonce.as_deref()
    }
}
