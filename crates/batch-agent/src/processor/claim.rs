//! Claiming: which of what waits is taken in hand next (D7), and what is not touched yet.
//!
//! ```text
//! ledger: what waits, by lanes ─► whose turn is it? ─┬─ members: the next page of a run, or several small runs
//!                                                    ├─ chunks: as many as a claim holds
//!                                                    └─ a suspect: one, if no other is in hand (D5)
//! ```
//!
//! A lane in which nothing is found after all, since another agent was faster or its runs cannot be
//! read yet, gives its turn to the next.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::{CLAIM_USERS, Claimed, Inner, ProcessError, read, resolve};
use crate::clock::saturating_add;
use cohort_ledger::{Chunk, Claim, Lane, LedgerError, OtherRuns, Run, RunId, Waiting, WaitingWork};

impl Inner {
    /// The next work. Empty if there is none.
    pub(super) async fn claim(&self) -> Result<Vec<Claimed>, ProcessError> {
        let mut turns = self.stride.lock().await;
        self.hear_of_pauses().await?;
        let now = self.clock.now();
        let mut waiting = self.ledger.backlog(now).await?;
        let slowed = |waiting: &Waiting| self.slowed_until(&waiting.lane.job, now).is_some();
        if waiting.iter().any(slowed) {
            self.read_cancellations().await?;
        }
        waiting.retain(|waiting| {
            self.may_claim(waiting) && (!slowed(waiting) || self.may_be_canceled(waiting))
        });
        while let Some(place) = turns.next(&waiting) {
            let next = waiting.swap_remove(place);
            let claimed = self.claim_from(&next.lane, next.work).await?;
            if !claimed.is_empty() {
                self.metrics.claimed(claimed.len());
                turns.charge(
                    next.lane.priority,
                    claimed.iter().map(|claimed| claimed.chunk.open.len()).sum(),
                );
                return Ok(claimed);
            }
        }
        Ok(Vec::new())
    }

    /// When there may be something to claim; `None` if nothing waits.
    pub(super) async fn next_ready_at(&self) -> Result<Option<Timestamp>, LedgerError> {
        let (coming, now) = (self.ledger.coming().await?, self.clock.now());
        // What waits for its purpose is not ready before that may be called (D4).
        let ready_at = |waiting: Waiting| {
            self.slowed_until(&waiting.lane.job, now)
                .map_or(waiting.since, |until| waiting.since.max(until))
        };
        Ok(coming.into_iter().filter(|waiting| self.may_claim(waiting)).map(ready_at).min())
    }

    /// Whether the work may be taken in hand: of suspects only one at a time (D5).
    fn may_claim(&self, waiting: &Waiting) -> bool {
        waiting.work != WaitingWork::Suspects || !self.has_suspect()
    }

    /// Whether chunks may be there that need no call: those of canceled runs do not wait for their
    /// purpose.
    fn may_be_canceled(&self, waiting: &Waiting) -> bool {
        waiting.work != WaitingWork::Members && self.has_canceled()
    }

    async fn claim_from(
        &self,
        lane: &Lane,
        work: WaitingWork,
    ) -> Result<Vec<Claimed>, ProcessError> {
        if self.is_shared_out(lane) {
            self.queue_members(lane).await?;
        } else if work == WaitingWork::Members {
            self.read_cancellations().await?;
            return self.read_next_members(lane).await;
        }
        loop {
            let claim = self.claim_now();
            let lease_until = claim.lease_until;
            let chunks = match work {
                WaitingWork::Suspects => {
                    self.ledger.claim_suspect(lane, claim).await?.into_iter().collect()
                }
                _ => self.ledger.claim_chunks(lane, claim, CLAIM_USERS / 25).await?,
            };
            self.read_cancellations().await?;
            let is_last = chunks.is_empty();
            let claimed = self.with_runs(chunks, lease_until).await?;
            // What nobody works on here has been put aside, and there may be more.
            if is_last || !claimed.is_empty() {
                return Ok(claimed);
            }
        }
    }

    pub(super) fn claim_now(&self) -> Claim {
        let at = self.clock.now();
        Claim { holder: self.holder.clone(), at, lease_until: saturating_add(at, super::LEASE) }
    }

    async fn with_runs(
        &self,
        chunks: Vec<Chunk>,
        lease_until: Timestamp,
    ) -> Result<Vec<Claimed>, ProcessError> {
        let mut runs: HashMap<RunId, (Arc<Run>, Arc<OnceCell<OtherRuns>>)> = HashMap::new();
        let mut claimed = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let (run, others) = match runs.get(&chunk.run) {
                Some(known) => known.clone(),
                None => runs
                    .entry(chunk.run)
                    .or_insert((self.run_of(&chunk).await?, Arc::default()))
                    .clone(),
            };
            match self.jobs.find(&run.job_id) {
                Some(job) => {
                    claimed.push(Claimed { chunk, lease_until, run, job, others, read: None })
                }
                None if self.is_canceled(run.id) => self.skip_canceled(&run, &chunk).await?,
                None => self.leave_to_later(&run, &chunk).await?,
            }
        }
        Ok(claimed)
    }

    async fn run_of(&self, chunk: &Chunk) -> Result<Arc<Run>, LedgerError> {
        let run = self.ledger.run(chunk.run).await?;
        run.map(Arc::new)
            .ok_or_else(|| LedgerError::Corrupt(format!("chunk {} has no run", chunk.id)))
    }

    /// Work of a job that cannot be served here waits for somebody who can, or for the job to come
    /// back.
    async fn leave_to_later(&self, run: &Run, chunk: &Chunk) -> Result<(), LedgerError> {
        tracing::warn!(job_id = %run.job_id, run = %run.id,
            "a job with open work is not served here; its work waits");
        let now = self.clock.now();
        self.ledger
            .record_outcomes(resolve::postpone(
                chunk,
                saturating_add(now, read::PAUSE_OF_UNKNOWN_JOB),
                now,
            ))
            .await
    }
}
