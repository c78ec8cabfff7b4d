//! What is claimed of work whose purpose is held: slowed, failing or paused (D12).
//!
//! ```text
//! work that waits ─┬─ its purpose may be called ─► as usual (`claim`)
//!                  └─ held ─┬─ canceled, or its deadline has passed ─► ends without a call
//!                           ├─ a probe is due ─► one chunk, for one call
//!                           └─ else it stays in the ledger
//! ```

use cohort_ledger::{LedgerError, Waiting, WaitingWork};
use jiff::{SignedDuration, Timestamp};

use super::claim::Claimer;
use super::claimed::{CLAIM_USERS, Claimed, ClaimedFor, USERS_OF_A_CHUNK};
use super::error::ProcessError;
use super::health::transitions::is_probe_due;
use crate::clock::saturating_add;

impl Claimer {
    /// Claims what may be claimed of work that is held. Returns nothing if there is none.
    pub(super) async fn claim_held(
        &self,
        mut held: Vec<Waiting>,
    ) -> Result<Vec<Claimed>, ProcessError> {
        if held.is_empty() {
            return Ok(Vec::new());
        }
        self.cancellations.read().await?;
        for waiting in &held {
            let claimed = self.claim_ending(waiting).await?;
            if !claimed.is_empty() {
                return Ok(claimed);
            }
        }
        // Chunks first: a probe then reads no members.
        held.sort_by_key(|waiting| {
            (waiting.work == WaitingWork::Members, waiting.lane.priority, waiting.since)
        });
        self.claim_probe(held).await
    }

    /// Claims chunks that end without a call.
    async fn claim_ending(&self, waiting: &Waiting) -> Result<Vec<Claimed>, ProcessError> {
        let lane = &waiting.lane;
        let Some(in_force) = self.shared.jobs.find(&lane.job) else { return Ok(Vec::new()) };
        let (deadline, now) = (in_force.job.deadline, self.shared.clock.now());
        let due_before = deadline.map_or(Timestamp::MIN, |deadline| saturating_add(now, -deadline));
        match waiting.work {
            WaitingWork::Members if deadline.is_some() => {
                let next = self.shared.ledger.next_run_to_read(lane, now).await?;
                if next.is_none_or(|run| run.occurrence.at >= due_before) {
                    return Ok(Vec::new());
                }
                let read = self.reader.read_next_members(lane).await?;
                Ok(claimed_for(ClaimedFor::Ending, read))
            }
            WaitingWork::Chunks if deadline.is_some() || !self.cancellations.is_empty() => {
                let claim = self.reader.identity.claim_now();
                let (lease_until, limit) = (claim.lease_until, CLAIM_USERS / USERS_OF_A_CHUNK);
                let ledger = &self.shared.ledger;
                let chunks = ledger.claim_ended(lane, claim, due_before, limit).await?;
                let chunks = self.with_runs(chunks, lease_until).await?;
                Ok(claimed_for(ClaimedFor::Ending, chunks))
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Claims one chunk of a purpose whose probe is due, if this agent gets to make it.
    async fn claim_probe(&self, held: Vec<Waiting>) -> Result<Vec<Claimed>, ProcessError> {
        for waiting in held {
            let Some(in_force) = self.shared.jobs.find(&waiting.lane.job) else { continue };
            let purpose = &in_force.job.purpose_id;
            let health = self.health.of(purpose).health();
            if !is_probe_due(&health, self.shared.clock.now())
                || !self.health.take_probe(purpose).await?
            {
                continue;
            }
            let claimed = claimed_for(ClaimedFor::Probe, self.claim_one(&waiting).await?);
            if !claimed.is_empty() {
                return Ok(claimed);
            }
            self.health.end_probe(purpose).await;
        }
        Ok(Vec::new())
    }

    async fn claim_one(&self, waiting: &Waiting) -> Result<Vec<Claimed>, ProcessError> {
        let Waiting { lane, work, .. } = waiting;
        if *work == WaitingWork::Members && !self.reader.is_shared_out(lane) {
            return self.reader.read_one_chunk(lane).await;
        }
        if self.reader.is_shared_out(lane) {
            self.reader.queue_members(lane).await?;
        }
        self.claim_ready(lane, *work, 1).await
    }

    /// Whether a lane's purpose is held.
    pub(super) fn is_held(&self, waiting: &Waiting, now: Timestamp) -> bool {
        self.call_at(waiting, now) != Some(now)
    }

    /// When work of a lane may be called for; `None` while only an operator can tell. What is not
    /// served here is claimed as usual, and put aside.
    pub(super) fn call_at(&self, waiting: &Waiting, now: Timestamp) -> Option<Timestamp> {
        let Some(in_force) = self.shared.jobs.find(&waiting.lane.job) else { return Some(now) };
        let gate = self.health.of(&in_force.job.purpose_id);
        if gate.is_held(now) {
            // A probe that is due is claimed apart, and at once.
            gate.next_call_at(now).map(|at| at.max(now + SignedDuration::from_micros(1)))
        } else {
            Some(now)
        }
    }

    /// When there may be something to claim; `None` if nothing waits, or only for an operator.
    pub(super) async fn next_ready_at(&self) -> Result<Option<Timestamp>, LedgerError> {
        let (coming, now) = (self.shared.ledger.coming().await?, self.shared.clock.now());
        let ready_at = |waiting: Waiting| Some(waiting.since.max(self.call_at(&waiting, now)?));
        Ok(coming.into_iter().filter(|waiting| self.may_claim(waiting)).filter_map(ready_at).min())
    }
}

fn claimed_for(intent: ClaimedFor, claimed: Vec<Claimed>) -> Vec<Claimed> {
    claimed.into_iter().map(|claimed| Claimed { intent, ..claimed }).collect()
}
