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
use cohort_preferences::JobId;
use jiff::Timestamp;
use tokio::sync::{Mutex, OnceCell};

use super::cancellations::Cancellations;
use super::claimed::{CLAIM_USERS, Claimed};
use super::error::ProcessError;
use super::in_hand::InHand;
use super::record::Recorder;
use super::resolve::{cancel, postpone};
use super::stride::StrideScheduler;
use super::throttles::Throttles;
use super::unread::{MemberReader, PAUSE_OF_UNKNOWN_JOB};
use crate::clock::saturating_add;
use crate::shared::Shared;

/// The size of most chunks; a claim of ready chunks takes as many as make up [`CLAIM_USERS`].
const USERS_OF_A_CHUNK: usize = 25;

/// Claims work for this agent.
pub(super) struct Claimer {
    pub(super) shared: Shared,
    pub(super) in_hand: Arc<InHand>,
    pub(super) cancellations: Arc<Cancellations>,
    pub(super) throttles: Arc<Throttles>,
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
        let mut waiting = self.claimable().await?;
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

    /// What waits and may be claimed now.
    async fn claimable(&self) -> Result<Vec<Waiting>, ProcessError> {
        self.throttles.hear().await?;
        let now = self.shared.clock.now();
        let mut waiting = self.shared.ledger.backlog(now).await?;
        let slowed = |waiting: &Waiting| self.slowed_until(&waiting.lane.job, now).is_some();
        if waiting.iter().any(slowed) {
            self.cancellations.read().await?;
        }
        waiting.retain(|waiting| {
            self.may_claim(waiting) && (!slowed(waiting) || self.may_be_canceled(waiting))
        });
        Ok(waiting)
    }

    /// When there may be something to claim; `None` if nothing waits.
    pub(super) async fn next_ready_at(&self) -> Result<Option<Timestamp>, LedgerError> {
        let (coming, now) = (self.shared.ledger.coming().await?, self.shared.clock.now());
        // Work that waits for its purpose is not ready before the purpose may be called (D4).
        let ready_at = |waiting: Waiting| {
            self.slowed_until(&waiting.lane.job, now)
                .map_or(waiting.since, |until| waiting.since.max(until))
        };
        Ok(coming.into_iter().filter(|waiting| self.may_claim(waiting)).map(ready_at).min())
    }

    /// Whether the work may be claimed: suspects only one at a time (D5).
    fn may_claim(&self, waiting: &Waiting) -> bool {
        waiting.work != WaitingWork::Suspects || !self.in_hand.has_suspect()
    }

    /// Whether chunks may be there that need no call: those of canceled runs do not wait for their
    /// purpose.
    fn may_be_canceled(&self, waiting: &Waiting) -> bool {
        waiting.work != WaitingWork::Members && !self.cancellations.is_empty()
    }

    /// Until when a job's purpose is slowed; `None` if it is not, or if the job is not served here.
    fn slowed_until(&self, job: &JobId, now: Timestamp) -> Option<Timestamp> {
        let in_force = self.shared.jobs.find(job)?;
        self.throttles.of(&in_force.job.purpose_id).slowed_until(now)
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
        self.claim_ready(lane, work).await
    }

    async fn claim_ready(
        &self,
        lane: &Lane,
        work: WaitingWork,
    ) -> Result<Vec<Claimed>, ProcessError> {
        let ledger = &self.shared.ledger;
        loop {
            let claim = self.reader.identity.claim_now();
            let lease_until = claim.lease_until;
            let claimed = match work {
                WaitingWork::Suspects => {
                    ledger.claim_suspect(lane, claim).await.map(|chunk| chunk.into_iter().collect())
                }
                _ => ledger.claim_chunks(lane, claim, CLAIM_USERS / USERS_OF_A_CHUNK).await,
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

    async fn with_runs(
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
                    claimed.push(Claimed { chunk, lease_until, run, job, others, read: None });
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
