//! Calling the handler. What may have changed while a call waited for its turn is looked at again
//! right before the call, so that some users are not called after all (D3, D4, D7, F6).
//!
//! ```text
//! wait for a turn and for capacity (`permit`, D3, D12)
//!   ├─ got ─► ledger there (F5)? still wanted (M2)? ─► canceled? too late? no retries left?
//!   │         ┌────────────────────────────────────────────────────────────────────┘
//!   │         └─► handler ─► how the call ended (`health`)
//!   └─ the agent stops, or the purpose is held: nobody is called, and the users wait
//! ```

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use cohort_ledger::{Chunk, FailedCall, Run};
use cohort_preferences::{Job, JobType, TenantId};
use futures_util::{FutureExt, future};
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument;

use super::asked::{asked_pause, slow_until};
use super::cancellations::Cancellations;
use super::capacity::Capacity;
use super::claimed::{Claimed, ClaimedFor};
use super::due_call::Call;
use super::health::{EndedCall, Gate, Health};
use super::in_hand::InHand;
use super::last_look::{LastLook, Looked};
use super::resolve::MemberResult;
use super::signals::Signals;
use crate::clock::AgentClock;
use crate::handler::{CallEnd, HandlerError, UserResult, UserShare, Work, failed};
use crate::jobs::Purpose;
use crate::metrics::Metrics;
use crate::own_faults::OwnFaults;
use crate::schedules::LogPosition;

/// Calls handlers, as many at once as the agent and the purpose allow.
pub(super) struct Caller {
    pub(super) clock: Arc<dyn AgentClock>,
    pub(super) signals: Arc<Signals>,
    pub(super) in_hand: Arc<InHand>,
    pub(super) cancellations: Arc<Cancellations>,
    pub(super) health: Arc<Health>,
    pub(super) capacity: Arc<Capacity>,
    pub(super) last_look: LastLook,
    pub(super) own_faults: Arc<OwnFaults>,
    pub(super) metrics: Arc<Metrics>,
}

/// What the calls of one chunk have in common.
pub(super) struct Calling<'a> {
    pub(super) claimed: &'a Claimed,
    /// The position in the feed's log from before the users' settings were read.
    pub(super) asked: Option<LogPosition>,
    pub(super) chunk: &'a Chunk,
    pub(super) run: &'a Run,
    pub(super) job: &'a Job,
    pub(super) purpose: &'a Purpose,
    pub(super) gate: Arc<Gate>,
    /// Whether one call is made to learn whether the purpose has recovered.
    pub(super) is_probe: bool,
}

impl Caller {
    /// Makes the calls of a chunk. Returns what became of each user.
    pub(super) async fn call(
        &self,
        claimed: &Claimed,
        asked: Option<LogPosition>,
        calls: Vec<Call>,
    ) -> Vec<MemberResult> {
        if calls.is_empty() {
            return Vec::new();
        }
        let Claimed { chunk, run, job: in_force, .. } = claimed;
        let (purpose, job) = (&*in_force.purpose, &*in_force.job);
        let gate = self.health.of(&job.purpose_id);
        let is_probe = claimed.intent == ClaimedFor::Probe;
        let calling = Calling { claimed, asked, chunk, run, job, purpose, gate, is_probe };
        match job.job_type {
            JobType::IndividualBatch if is_probe => self.probe_one(&calling, calls).await,
            JobType::IndividualBatch => {
                let each = calls.into_iter().map(|call| self.call_together(&calling, vec![call]));
                future::join_all(each).await.into_iter().flatten().collect()
            }
            JobType::BatchAsObject => self.call_together(&calling, calls).await,
        }
    }

    /// Calls one of these users, and leaves the others waiting.
    async fn probe_one(&self, calling: &Calling<'_>, mut calls: Vec<Call>) -> Vec<MemberResult> {
        // Whoever failed least says most of the handler.
        let burden = |call: &Call| (call.member.failures, call.member.attempts);
        let least = (0..calls.len()).min_by_key(|index| burden(&calls[*index]));
        let probed = least.map(|index| calls.swap_remove(index));
        let mut ended: Vec<_> =
            calls.into_iter().map(|call| self.left_waiting(calling.run, call.member)).collect();
        ended.extend(self.call_together(calling, probed.into_iter().collect()).await);
        ended
    }

    /// Makes one call for these users, or for those who may still be called when its turn has come.
    async fn call_together(&self, calling: &Calling<'_>, calls: Vec<Call>) -> Vec<MemberResult> {
        let Some(permits) = self.permits(calling, calls.len()).await else {
            let waits = |call: Call| self.left_waiting(calling.run, call.member);
            return calls.into_iter().map(waits).collect();
        };
        let Looked { calls, mut ended } =
            self.last_look.at(calling.claimed, calling.asked, calls).await;
        let (mut calls, not_admitted) = self.admitted(calling, calls);
        ended.extend(not_admitted);
        if calls.is_empty() {
            return ended;
        }
        let users: Vec<_> = calls.iter().map(|call| call.user.clone()).collect();
        let began = self.clock.now();
        let returned = self.guarded(calling.purpose, &work(calling.run, calling.job, users)).await;
        let returned = returned.map_err(|error| asked_pause(error, calling.purpose));
        self.own_faults.note(&returned, calls.len());
        self.note_end(calling, &mut calls, &returned, began).await;
        drop(permits);
        let result_of = |tenant_id: &TenantId| match &returned {
            Ok(results) => results.iter().find(|result| result.tenant_id == *tenant_id).cloned(),
            Err(error) => Some(failed(tenant_id.clone(), error.clone())),
        };
        ended.extend(calls.into_iter().map(|call| {
            let result = result_of(&call.user.tenant_id);
            MemberResult::Called(call.member, call.used, result.map(Box::new))
        }));
        ended
    }

    /// Notes how a call ended, for its users and for the health of its purpose.
    async fn note_end(
        &self,
        calling: &Calling<'_>,
        calls: &mut [Call],
        returned: &Result<Vec<UserResult>, HandlerError>,
        began: Timestamp,
    ) {
        let (now, purpose) = (self.clock.now(), &calling.job.purpose_id);
        let end = CallEnd::of(returned);
        self.metrics.call_ended(purpose, end);
        if end == CallEnd::OwnFault {
            // It says nothing of the handler.
            return;
        }
        let is_of_suspects = calls.iter().all(|call| call.member.failures > 0);
        let fault = match returned {
            Err(HandlerError::Retry { detail, .. }) => Some(detail.clone()),
            _ => None,
        };
        if let Some(error) = &fault {
            for call in calls.iter_mut() {
                call.member.failed = Some(FailedCall { began, at: now, error: error.clone() });
            }
        }
        let slow_until = slow_until(calling.purpose, returned, now);
        let limit = self.capacity.calls_at_once(calling.purpose, calls.len());
        let ended = EndedCall { began, fault, is_of_suspects, slow_until };
        self.health.ended(purpose, &ended, calling.is_probe, limit).await;
    }

    /// Calls the handler; one that panics has failed this call and nothing else.
    async fn guarded(
        &self,
        purpose: &Purpose,
        work: &Work,
    ) -> Result<Vec<UserResult>, HandlerError> {
        let span = tracing::debug_span!(
            "call",
            purpose_id = %work.purpose_id,
            tenants = work.users.len(),
        );
        let began = Instant::now();
        let call = AssertUnwindSafe(purpose.handler.call(work)).catch_unwind();
        let returned = call.instrument(span).await;
        self.metrics.called(&work.purpose_id, began.elapsed());
        returned.unwrap_or_else(|_panic| {
            Err(HandlerError::Retry { detail: "the handler panicked".into(), retry_after_s: None })
        })
    }
}

fn work(run: &Run, job: &Job, users: Vec<UserShare>) -> Work {
    Work {
        job_id: job.job_id.clone(),
        run_id: run.id,
        feature_type: run.feature_type.clone(),
        purpose_id: job.purpose_id.clone(),
        nominal: run.occurrence.nominal,
        timezone: run.group.timezone().name().to_owned(),
        scheduled_at: run.occurrence.at,
        users,
        is_chunk: job.job_type == JobType::BatchAsObject,
    }
}
