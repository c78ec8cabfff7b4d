//! Calling the handler. What may have changed while a call waited for its turn is looked at again
//! right before the call, so that some users are not called after all (D3, D4, D7, F6).
//!
//! ```text
//! wait for capacity (D3)
//!   ├─ got ─► ledger there (F5)? still wanted (M2)? ─┐
//!   │         ┌─────────────────────────────────────┘
//!   │         └─► canceled? slowed? too late? over the budget of retries? ─► handler ─► Retry-After?
//!   └─ the agent stops, or the purpose is slowed: nobody is called, and the users wait
//! ```

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use cohort_ledger::{Chunk, OpenMember, Run, SkippedReason, UsedSettings};
use cohort_preferences::{Job, JobType, TenantId};
use futures_util::{FutureExt, future};
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument;

use super::cancellations::Cancellations;
use super::capacity::{Capacity, Permits};
use super::claimed::Claimed;
use super::in_hand::InHand;
use super::last_look::{LastLook, Looked};
use super::resolve::{MemberResult, too_late_at};
use super::signals::Signals;
use super::throttles::{Throttle, Throttles};
use crate::clock::AgentClock;
use crate::handler::{CallEnd, HandlerError, ResultStatus, UserResult, UserShare, Work, failed};
use crate::jobs::Purpose;
use crate::metrics::Metrics;
use crate::own_faults::OwnFaults;
use crate::schedules::LogPosition;

/// A user who is to be called.
pub(super) struct Call {
    pub(super) member: OpenMember,
    pub(super) used: UsedSettings,
    pub(super) user: UserShare,
}

/// Calls handlers, as many at once as the agent and the purpose allow.
pub(super) struct Caller {
    pub(super) clock: Arc<dyn AgentClock>,
    pub(super) signals: Arc<Signals>,
    pub(super) in_hand: Arc<InHand>,
    pub(super) cancellations: Arc<Cancellations>,
    pub(super) throttles: Arc<Throttles>,
    pub(super) capacity: Arc<Capacity>,
    pub(super) last_look: LastLook,
    pub(super) own_faults: Arc<OwnFaults>,
    pub(super) metrics: Arc<Metrics>,
}

/// What the calls of one chunk have in common.
struct Calling<'a> {
    claimed: &'a Claimed,
    /// The position in the feed's log from before the users' settings were read.
    asked: Option<LogPosition>,
    chunk: &'a Chunk,
    run: &'a Run,
    job: &'a Job,
    purpose: &'a Purpose,
    throttle: Arc<Throttle>,
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
        let throttle = self.throttles.of(&job.purpose_id);
        let calling = Calling { claimed, asked, chunk, run, job, purpose, throttle };
        match job.job_type {
            JobType::IndividualBatch => {
                let each = calls.into_iter().map(|call| self.call_together(&calling, vec![call]));
                future::join_all(each).await.into_iter().flatten().collect()
            }
            JobType::BatchAsObject => self.call_together(&calling, calls).await,
        }
    }

    /// Makes one call for these users, or for those who may still be called when its turn has come.
    async fn call_together(&self, calling: &Calling<'_>, calls: Vec<Call>) -> Vec<MemberResult> {
        let Some(permits) = self.permits(calling, calls.len()).await else {
            return calls.into_iter().map(|call| self.left_waiting(calling, call.member)).collect();
        };
        let Looked { calls, mut ended } =
            self.last_look.at(calling.claimed, calling.asked, calls).await;
        let (calls, not_admitted) = self.admitted(calling, calls);
        ended.extend(not_admitted);
        if calls.is_empty() {
            return ended;
        }
        let users: Vec<_> = calls.iter().map(|call| call.user.clone()).collect();
        let returned = self.guarded(calling.purpose, &work(calling.run, calling.job, users)).await;
        let end = CallEnd::of(&returned);
        tracing::debug!(?end, "a call ended");
        self.own_faults.note(&returned, calls.len());
        let result_of = |tenant_id: &TenantId| match &returned {
            Ok(results) => results.iter().find(|result| result.tenant_id == *tenant_id).cloned(),
            Err(error) => Some(failed(tenant_id.clone(), error.clone())),
        };
        let results: Vec<_> = calls.iter().map(|call| result_of(&call.user.tenant_id)).collect();
        self.throttles.slow(&calling.job.purpose_id, longest_pause(&results)).await;
        drop(permits);
        ended.extend(calls.into_iter().zip(results).map(|(call, result)| {
            MemberResult::Called(call.member, call.used, result.map(Box::new))
        }));
        ended
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

    /// Permission to call so many users of a chunk; `None` once the agent is stopping, which begins
    /// no calls any more (F6), or once the purpose is slowed (D4).
    async fn permits(&self, calling: &Calling<'_>, users: usize) -> Option<Permits> {
        tokio::select! {
            biased;
            () = self.signals.until_stopping() => None,
            () = calling.throttle.until_slowed_beyond(self.clock.now()) => None,
            permits = self.capacity.acquire(calling.purpose, users) => Some(permits),
        }
    }

    /// The result of a user who is not called yet: looked at again when the purpose may be called,
    /// or at once if another agent takes over.
    fn left_waiting(&self, calling: &Calling<'_>, member: OpenMember) -> MemberResult {
        let now = self.clock.now();
        MemberResult::Waits(member, calling.throttle.slowed_until(now).unwrap_or(now))
    }

    /// Those of these users who may be called now, and what becomes of the others.
    fn admitted(&self, calling: &Calling<'_>, calls: Vec<Call>) -> (Vec<Call>, Vec<MemberResult>) {
        let now = self.clock.now();
        let gate = Gate {
            is_claim_lost: !self.in_hand.holds(calling.chunk),
            is_canceled: self.cancellations.contains(calling.run.id),
            slowed_until: calling.throttle.slowed_until(now),
            now,
        };
        let (mut admitted, mut retries, mut ended) = (Vec::new(), Vec::new(), Vec::new());
        for call in calls {
            match gate.verdict(calling, &call.member) {
                Verdict::Skip(reason) => ended.push(MemberResult::Skipped(call.member, reason)),
                Verdict::Wait(until) => ended.push(MemberResult::Waits(call.member, until)),
                Verdict::Call if call.member.is_retry() => retries.push(call),
                Verdict::Call => admitted.push(call),
            }
        }
        match take_budget(calling, admitted.len(), &retries, now) {
            Ok(()) => admitted.extend(retries),
            Err(again) => ended
                .extend(retries.into_iter().map(|call| MemberResult::Waits(call.member, again))),
        }
        (admitted, ended)
    }

    /// Until when a chunk waits because none of its users may be called now; `None` if some may be,
    /// or if it is too late for some.
    pub(super) fn must_wait(&self, run: &Run, job: &Job, open: &[OpenMember]) -> Option<Timestamp> {
        let now = self.clock.now();
        let too_late_at = open
            .iter()
            .map(|member| too_late_at(job, run, member))
            .min()
            .filter(|too_late_at| now < *too_late_at)?;
        let throttle = self.throttles.of(&job.purpose_id);
        let until = throttle.slowed_until(now).or_else(|| {
            let first = open.first().filter(|_| open.iter().all(OpenMember::is_retry))?;
            let mut budget = throttle.budget();
            let is_full = budget.room_from(now) > now;
            if is_full { budget.take(open.len(), seed(run, first), now).err() } else { None }
        })?;
        Some(until.min(too_late_at))
    }
}

/// What may have changed while a call waited for its turn.
struct Gate {
    /// Whether the claim has run out, as after a sleep of the machine: what is done now could not be
    /// recorded (F3).
    is_claim_lost: bool,
    is_canceled: bool,
    slowed_until: Option<Timestamp>,
    now: Timestamp,
}

/// What becomes of a user whose turn to be called has come.
enum Verdict {
    Call,
    Skip(SkippedReason),
    Wait(Timestamp),
}

impl Gate {
    fn verdict(&self, calling: &Calling<'_>, member: &OpenMember) -> Verdict {
        if self.is_canceled {
            Verdict::Skip(SkippedReason::Canceled)
        } else if self.is_claim_lost {
            Verdict::Wait(self.now)
        } else if let Some(until) = self.slowed_until {
            Verdict::Wait(until)
        } else if self.now >= too_late_at(calling.job, calling.run, member) {
            Verdict::Skip(SkippedReason::Expired)
        } else {
            Verdict::Call
        }
    }
}

/// Notes the first calls in the purpose's budget and takes room for the retries, or says when to
/// ask for it again (D4).
fn take_budget(
    calling: &Calling<'_>,
    first_calls: usize,
    retries: &[Call],
    now: Timestamp,
) -> Result<(), Timestamp> {
    let mut budget = calling.throttle.budget();
    if first_calls > 0 {
        budget.note_first_calls(first_calls, now);
    }
    let Some(first) = retries.first() else { return Ok(()) };
    budget.take(retries.len(), seed(calling.run, &first.member), now)
}

/// A number that picks the point within a wait, different for each user and run.
fn seed(run: &Run, member: &OpenMember) -> u64 {
    (run.id.0 as u64) << 32 ^ member.ordinal
}

/// The longest wait, in seconds, that the handler asks for, for any of the call's users.
fn longest_pause(results: &[Option<UserResult>]) -> u64 {
    let retries = results.iter().flatten().filter(|result| result.status == ResultStatus::Retry);
    retries.filter_map(|result| result.retry_after_s).max().unwrap_or_default()
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
