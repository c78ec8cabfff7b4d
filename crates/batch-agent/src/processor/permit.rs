//! Permission to call: who may be called now, and what becomes of those who may not (D3, D4, D7,
//! D12, F6).

use cohort_ledger::{ChunkResult, HealthState, OpenMember, Run, SkippedReason};
use cohort_preferences::Job;
use jiff::{SignedDuration, Timestamp};

use super::call::{Caller, Calling};
use super::capacity::Permits;
use super::claimed::{Claimed, ClaimedFor};
use super::due_call::Call;
use super::health::{Evidence, Gate, Turn};
use super::resolve::{MemberResult, postpone, skip_all, too_late_at};
use crate::clock::saturating_add;

/// How long work waits that was claimed because its time was over, and has some left.
const PAUSE_OF_ENDING: SignedDuration = SignedDuration::from_secs(15);

/// Permission to make one call, until it is dropped.
pub(super) struct Permit {
    _turn: Turn,
    _permits: Permits,
}

impl Caller {
    /// What becomes of a chunk of which nobody may be called now; `None` if some may be, or if it
    /// is too late for some.
    pub(super) fn without_call(&self, claimed: &Claimed) -> Option<ChunkResult> {
        let Claimed { chunk, run, job: in_force, intent, .. } = claimed;
        let (now, job) = (self.clock.now(), &in_force.job);
        let gate = self.health.of(&job.purpose_id);
        if gate.state_at(now) == HealthState::Disabled {
            return Some(skip_all(chunk, SkippedReason::PurposeDisabled, now));
        }
        let too_late_at = first_too_late(job, run, &chunk.open).filter(|at| now < *at)?;
        let until = match intent {
            _ if !self.is_held(&gate, *intent == ClaimedFor::Probe) => {
                let first = chunk.open.iter().map(|member| member.not_before).min().flatten()?;
                Some(first).filter(|first| now < *first)?
            }
            ClaimedFor::Ending => saturating_add(now, PAUSE_OF_ENDING),
            // It is ready, and not claimed before the purpose may be called.
            _ => chunk.open.iter().map(|member| ready_since(run, member, now)).min().unwrap_or(now),
        };
        Some(postpone(chunk, until.min(too_late_at), now))
    }

    /// Permission to call so many users of a chunk; `None` once the agent is stopping, which begins
    /// no calls any more (F6), or once the purpose is held (D12).
    pub(super) async fn permits(&self, calling: &Calling<'_>, users: usize) -> Option<Permit> {
        let waiting = async {
            let turn = if calling.is_probe {
                Gate::turn_of_probe()
            } else {
                calling.gate.turn(&*self.clock).await?
            };
            let permits = self.capacity.acquire(calling.purpose, users);
            let permits = if calling.is_probe {
                permits.await
            } else {
                tokio::select! {
                    biased;
                    () = calling.gate.until_closed(&*self.clock) => return None,
                    permits = permits => permits,
                }
            };
            Some(Permit { _turn: turn, _permits: permits })
        };
        tokio::select! {
            biased;
            () = self.signals.until_stopping() => None,
            permit = waiting => permit,
        }
    }

    /// The result of a user who is not called yet, for when the purpose may be called or another
    /// agent takes over: ready at once, and since the user was due.
    pub(super) fn left_waiting(&self, run: &Run, member: OpenMember) -> MemberResult {
        let since = ready_since(run, &member, self.clock.now());
        MemberResult::Waits(member, since)
    }

    /// Those of these users who may be called now, and what becomes of the others.
    pub(super) fn admitted(
        &self,
        calling: &Calling<'_>,
        calls: Vec<Call>,
    ) -> (Vec<Call>, Vec<MemberResult>) {
        let look = Look {
            is_claim_lost: !self.in_hand.holds(calling.chunk),
            is_canceled: self.cancellations.contains(calling.run.id),
            is_held: self.is_held(&calling.gate, calling.is_probe),
            evidence: calling.gate.evidence(calling.purpose.patience.max_outage, self.clock.now()),
            now: self.clock.now(),
        };
        let (mut admitted, mut ended) = (Vec::new(), Vec::new());
        for mut call in calls {
            call.member = look.judged(call.member);
            match look.verdict(calling, &call.member) {
                Verdict::Skip(reason) => ended.push(MemberResult::Skipped(call.member, reason)),
                Verdict::Wait(until) => ended.push(MemberResult::Waits(call.member, until)),
                Verdict::Exhausted => ended.push(MemberResult::Exhausted(call.member)),
                Verdict::Call => {
                    call.member.failed = None;
                    admitted.push(call);
                }
            }
        }
        (admitted, ended)
    }

    /// What is known of a chunk's purpose, to judge failed attempts by.
    pub(super) fn evidence(&self, claimed: &Claimed) -> Evidence {
        let in_force = &claimed.job;
        let gate = self.health.of(&in_force.job.purpose_id);
        gate.evidence(in_force.purpose.patience.max_outage, self.clock.now())
    }

    /// Whether nobody may be called, or only a probe.
    fn is_held(&self, gate: &Gate, is_probe: bool) -> bool {
        let now = self.clock.now();
        let is_failing = gate.state_at(now) == HealthState::Failing;
        gate.is_closed(now) && !(is_probe && is_failing)
    }
}

/// What may have changed while a call waited for its turn.
struct Look {
    /// Whether the claim has run out, as after a sleep of the machine: what is done now could not
    /// be recorded (F3).
    is_claim_lost: bool,
    is_canceled: bool,
    is_held: bool,
    evidence: Evidence,
    now: Timestamp,
}

/// What becomes of a user whose turn to be called has come.
enum Verdict {
    Call,
    Skip(SkippedReason),
    Wait(Timestamp),
    /// No retry is left.
    Exhausted,
}

impl Look {
    /// The member, with the last attempt counted if it turns out that it does (D12).
    fn judged(&self, member: OpenMember) -> OpenMember {
        let counts = |failed| self.evidence.counts(failed, member.failures);
        if member.failed.as_ref().is_some_and(counts) {
            OpenMember { failures: member.failures + 1, ..member }
        } else {
            OpenMember { failed: None, ..member }
        }
    }

    fn verdict(&self, calling: &Calling<'_>, member: &OpenMember) -> Verdict {
        if self.is_canceled {
            Verdict::Skip(SkippedReason::Canceled)
        } else if self.is_claim_lost {
            Verdict::Wait(self.now)
        } else if self.now >= too_late_at(calling.job, calling.run, member) {
            Verdict::Skip(SkippedReason::Expired)
        } else if member.failures > calling.job.retries() {
            Verdict::Exhausted
        } else if self.is_held {
            Verdict::Wait(self.now)
        } else if let Some(until) = member.not_before.filter(|until| self.now < *until) {
            Verdict::Wait(until)
        } else {
            Verdict::Call
        }
    }
}

/// Since when a user is ready who waits for the purpose: who was not called yet since they were
/// due, so that their wait is shown as long as it is.
fn ready_since(run: &Run, member: &OpenMember, now: Timestamp) -> Timestamp {
    if member.is_retry() { member.not_before.unwrap_or(now) } else { member.due_at(run).min(now) }
}

fn first_too_late(job: &Job, run: &Run, open: &[OpenMember]) -> Option<Timestamp> {
    open.iter().map(|member| too_late_at(job, run, member)).min()
}
