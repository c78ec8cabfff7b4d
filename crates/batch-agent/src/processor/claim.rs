//! Claiming: which of the work that waits is taken next (D7), and which is left alone for now.
//!
//! ```text
//! ledger: what waits, by lanes
//!    │ whose turn is it? (`stride`)
//!    ├─ members: the next page of a run, or several small runs
//!    ├─ chunks: as many as a claim holds
//!    └─ a suspect: one, if no other is in hand (D5)
//! ```
//!
//! A lane may turn out to have nothing, because another agent was faster or its runs cannot be read
//! yet; then the next lane has its turn.

use std::collections::HashMap;
use std::sync::Arc;

use cohort_ledger::{Chunk, Lane, LedgerError, OtherRuns, Run, RunId, Waiting, WaitingWork};
use jiff::Timestamp;
use tokio::sync::{Mutex, OnceCell};

use super::cancellations::Cancellations;
use super::claimed::{CLAIM_USERS, Claimed, ClaimedFor, USERS_OF_A_CHUNK};
use super::error::ProcessError;
use super::health::Health;
use super::in_hand::InHand;
use super::record::Recorder;
use super::resolve::{cancel, postpone};
use super::stride::StrideScheduler;
use super::unread::{MemberReader, PAUSE_OF_UNKNOWN_JOB};
use crate::clock::saturating_add;
use crate::shared::Shared;

/// Claims work for this agent.
pub(super) struct Claimer {
    pub(super) shared: Shared,
    pub(super) in_hand: Arc<InHand>,
    pub(super) cancellations: Arc<Cancellations>,
    pub(super) health: Arc<Health>,
    pub(super) reader: MemberReader,
    pub(super) recorder: Recorder,
    /// Held by whoever claims.
    pub(super) stride: Mutex<StrideScheduler>,
}

/// A run whose chunks were claimed together, and what other runs of its job there are.
type RunOfChunks = (Arc<Run>, Arc<OnceCell<OtherRuns>>);

impl Claimer {
    /// Claims the next work. Returns nothing if there is none.
    pub(super) async fn claim(&self) -> Result<Vec<Claimed>, ProcessError> {
        let mut stride = self.stride.lock().await;
        let (held, mut waiting) = self.waiting().await?;
        let claimed = self.claim_held(held).await?;
        if !claimed.is_empty() {
            return Ok(claimed);
        }
        while let Some(index) = stride.next(&waiting) {
            let Waiting { lane, work, .. } = waiting.swap_remove(index);
            let claimed = self.claim_from(&lane, work).await?;
            if !claimed.is_empty() {
                self.recorder.metrics.claimed(claimed.len());
                let users = claimed.iter().map(|claimed| claimed.chunk.open.len()).sum();
                stride.charge(lane.priority, users);
                return Ok(claimed);
            }
        }
        Ok(Vec::new())
    }

    /// What waits, and may be claimed now: first what its purpose holds, then the rest.
    async fn waiting(&self) -> Result<(Vec<Waiting>, Vec<Waiting>), ProcessError> {
        self.health.hear().await?;
        let now = self.shared.clock.now();
        let backlog = self.shared.ledger.backlog(now).await?;
        let may_be_claimed = backlog.into_iter().filter(|waiting| self.may_claim(waiting));
        Ok(may_be_claimed.partition(|waiting| self.is_held(waiting, now)))
    }

    /// Whether the work may be claimed: suspects only one at a time (D5).
    pub(super) fn may_claim(&self, waiting: &Waiting) -> bool {
        waiting.work != WaitingWork::Suspects || !self.in_hand.has_suspect()
    }

    async fn claim_from(
        &self,
        lane: &Lane,
        work: WaitingWork,
    ) -> Result<Vec<Claimed>, ProcessError> {
        if self.reader.is_shared_out(lane) {
            self.reader.queue_members(lane).await?;
        } else if work == WaitingWork::Members {
            self.cancellations.read().await?;
            let read = self.reader.read_next_members(lane).await?;
            if !read.is_empty() {
                return Ok(read);
            }
            // Members of a rerun wait in chunks.
        }
        self.claim_ready(lane, work, CLAIM_USERS / USERS_OF_A_CHUNK).await
    }

    pub(super) async fn claim_ready(
        &self,
        lane: &Lane,
        work: WaitingWork,
        limit: usize,
    ) -> Result<Vec<Claimed>, ProcessError> {
        let ledger = &self.shared.ledger;
        loop {
            let claim = self.reader.identity.claim_now();
            let lease_until = claim.lease_until;
            let claimed = match work {
                WaitingWork::Suspects => {
                    ledger.claim_suspect(lane, claim).await.map(|chunk| chunk.into_iter().collect())
                }
                _ => ledger.claim_chunks(lane, claim, limit).await,
            };
            let chunks: Vec<Chunk> = self.heard(claimed)?;
            self.cancellations.read().await?;
            let is_last = chunks.is_empty();
            let claimed = self.with_runs(chunks, lease_until).await?;
            // Work that is not served here has been put aside, and there may be more.
            if is_last || !claimed.is_empty() {
                return Ok(claimed);
            }
        }
    }

    /// A claim that found nothing has written nothing: it does not show that the ledger takes
    /// records (F5).
    fn heard(&self, claimed: Result<Vec<Chunk>, LedgerError>) -> Result<Vec<Chunk>, LedgerError> {
        if !claimed.as_ref().is_ok_and(Vec::is_empty) {
            self.recorder.pulse.hear(&claimed);
        }
        claimed
    }

    pub(super) async fn with_runs(
        &self,
        chunks: Vec<Chunk>,
        lease_until: Timestamp,
    ) -> Result<Vec<Claimed>, ProcessError> {
        let mut runs: HashMap<RunId, RunOfChunks> = HashMap::new();
        let mut claimed = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let (run, others) = match runs.get(&chunk.run) {
                Some(known) => known.clone(),
                None => runs
                    .entry(chunk.run)
                    .or_insert((self.run_of(&chunk).await?, Arc::default()))
                    .clone(),
            };
            match self.shared.jobs.find(&run.job_id) {
                Some(job) => {
                    claimed.push(Claimed {
                        chunk,
                        lease_until,
                        run,
                        job,
                        others,
                        read: None,
                        intent: ClaimedFor::Calls,
                    });
                }
                None => self.put_aside(&run, &chunk).await?,
            }
        }
        Ok(claimed)
    }

    async fn run_of(&self, chunk: &Chunk) -> Result<Arc<Run>, LedgerError> {
        let run = self.shared.ledger.run(chunk.run).await?;
        run.map(Arc::new)
            .ok_or_else(|| LedgerError::Corrupt(format!("chunk {} has no run", chunk.id)))
    }

    /// Work of a job that is not served here is skipped if its run was canceled; otherwise it waits
    /// for an agent that serves the job, or for the job to come back.
    async fn put_aside(&self, run: &Run, chunk: &Chunk) -> Result<(), LedgerError> {
        let now = self.shared.clock.now();
        if self.cancellations.contains(run.id) {
            return self.recorder.record(run, cancel(chunk, now)).await;
        }
        tracing::warn!(job_id = %run.job_id, run = %run.id,
            "a job with open work is not served here; its work waits");
        let until = saturating_add(now, PAUSE_OF_UNKNOWN_JOB);
        self.shared.ledger.record_outcomes(postpone(chunk, until, now)).await
    }
}
