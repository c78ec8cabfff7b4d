//! What becomes of a purpose's health. Pure decisions (D12).
//!
//! ```text
//!            half of 20 calls within 30 s fail            a probe succeeds
//! healthy ──────────────────────────────────► failing ──────────────────► slowed, recovering
//!    ▲ ▲                                        ▲                            │      │
//!    │ │        half of a round of the ramp fails └────────────────────────────┘      │
//!    │ └──────────────────────────── the ramp has reached the limits ◄──────────────┘
//!    └── its instant has come ◄── slowed ◄── Retry-After (D4)
//! ```
//!
//! An operator's states, paused and disabled, end only by an operator.

use cohort_ledger::{EndedCalls, HealthState, Outage, ProbeLease, PurposeHealth};
use jiff::{SignedDuration, Timestamp};

use super::report::{ProbeEnd, RampEnd, Report, merged};
use crate::clock::saturating_add;

/// How many calls within the window say enough.
const LEAST_CALLS: u64 = 20;

/// The pause before the first probe; it doubles with each that fails.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// The longest pause between probes: with the ramp after it, most of the rate is back within 30 s
/// of the handler's return.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_secs(25);

/// How long a probe may take before another agent makes one too.
const PROBE_LEASE: SignedDuration = SignedDuration::from_secs(30);

/// When a ramp is over at the latest, also if nobody was called meanwhile.
const LONGEST_RAMP: SignedDuration = SignedDuration::from_secs(60);

/// The health after what an agent reports.
pub(super) fn reported(health: &PurposeHealth, report: &Report, now: Timestamp) -> PurposeHealth {
    let mut next = counted(&lapsed(health, now), report, now);
    match next.state {
        HealthState::Paused | HealthState::Disabled => next,
        HealthState::Failing => match report.probe {
            Some((ProbeEnd::Success, at)) => recovered(next, at),
            Some((ProbeEnd::Fault, at)) => probe_failed(next, report, at),
            Some((ProbeEnd::NotMade, at)) => {
                let until = saturating_add(at, FIRST_PAUSE);
                PurposeHealth { probe: None, until: Some(until), ..next }
            }
            None => next,
        },
        HealthState::Healthy | HealthState::Slowed => {
            if report.ramp == Some(RampEnd::Broken) && next.recovering {
                let cause = "calls failed again while it recovered".to_owned();
                return failing(next, report, cause, now);
            }
            if let Some((ended, faulted)) = is_failing(&next.recent) {
                let cause = format!("{faulted} of {ended} calls within 30 s failed");
                return failing(next, report, cause, now);
            }
            if report.ramp == Some(RampEnd::ReachedLimits) && next.recovering {
                next = healthy(next, "it has recovered", now);
            }
            match &report.slow_until {
                Some((until, asked)) if *until > now => slowed(next, *until, asked, now),
                _ => next,
            }
        }
    }
}

/// The health with nothing in it that an instant has ended.
pub(crate) fn lapsed(health: &PurposeHealth, now: Timestamp) -> PurposeHealth {
    let mut health = health.clone();
    if health.state == HealthState::Slowed && health.state_at(now) == HealthState::Healthy {
        let since = health.until.unwrap_or(now);
        health = healthy(health, "its time is over", since);
    }
    health
}

/// The health if this agent may make the next probe; `None` if it is not time, or another has it.
pub(super) fn with_probe(
    health: &PurposeHealth,
    holder: &str,
    now: Timestamp,
) -> Option<PurposeHealth> {
    is_probe_due(health, now).then(|| {
        let until = saturating_add(now, PROBE_LEASE);
        PurposeHealth {
            probe: Some(ProbeLease { holder: holder.to_owned(), until }),
            ..health.clone()
        }
    })
}

/// Whether a probe may be made now.
pub(in super::super) fn is_probe_due(health: &PurposeHealth, now: Timestamp) -> bool {
    health.state == HealthState::Failing && next_call_at(health, now).is_some_and(|at| at <= now)
}

/// When somebody may be called again at the earliest; `None` while only an operator can tell.
pub(super) fn next_call_at(health: &PurposeHealth, now: Timestamp) -> Option<Timestamp> {
    match health.state_at(now) {
        HealthState::Healthy | HealthState::Disabled => Some(now),
        HealthState::Slowed if health.recovering => Some(now),
        HealthState::Slowed => health.until,
        HealthState::Failing => {
            let lease = health.probe.as_ref().map(|probe| probe.until);
            Some(health.until.unwrap_or(now).max(lease.unwrap_or(Timestamp::MIN)))
        }
        HealthState::Paused => None,
    }
}

/// The health as an operator sets it.
pub(crate) fn set_by_operator(
    health: &PurposeHealth,
    state: HealthState,
    by: &str,
    now: Timestamp,
) -> PurposeHealth {
    let cause = match state {
        HealthState::Paused => "an operator has paused it",
        HealthState::Disabled => "an operator has disabled it",
        _ => "an operator has resumed it",
    };
    PurposeHealth {
        state,
        set_by: Some(by.to_owned()),
        until: None,
        first_failure: None,
        last_outage: ended_outage(health, now),
        ..healthy(health.clone(), cause, now)
    }
}

/// The health once another definition of the purpose was applied: what its handler has asked for
/// or got wrong says nothing of the new one. `None` if that changes nothing.
pub(crate) fn corrected(health: &PurposeHealth, now: Timestamp) -> Option<PurposeHealth> {
    matches!(health.state, HealthState::Slowed | HealthState::Failing).then(|| PurposeHealth {
        first_failure: None,
        last_outage: ended_outage(health, now),
        ..healthy(health.clone(), "another definition of it was applied", now)
    })
}

/// The outage that ends now, or the one before.
fn ended_outage(health: &PurposeHealth, now: Timestamp) -> Option<Outage> {
    match health.state {
        HealthState::Failing => {
            Some(Outage { from: health.first_failure.unwrap_or(health.since), until: now })
        }
        _ => health.last_outage,
    }
}

fn healthy(health: PurposeHealth, cause: &str, now: Timestamp) -> PurposeHealth {
    PurposeHealth {
        state: HealthState::Healthy,
        since: now,
        until: None,
        recovering: false,
        cause: Some(cause.to_owned()),
        calls_failed: 0,
        probes_failed: 0,
        probe: None,
        recent: Vec::new(),
        set_by: None,
        ..health
    }
}

fn slowed(health: PurposeHealth, until: Timestamp, asked: &str, now: Timestamp) -> PurposeHealth {
    let is_new = health.state != HealthState::Slowed;
    let later = health.until.is_none_or(|known| until > known) || health.recovering;
    if !later {
        return health;
    }
    PurposeHealth {
        state: HealthState::Slowed,
        since: if is_new || health.recovering { now } else { health.since },
        until: Some(until),
        recovering: false,
        cause: Some(asked.to_owned()),
        set_by: None,
        ..health
    }
}

fn failing(health: PurposeHealth, report: &Report, cause: String, now: Timestamp) -> PurposeHealth {
    let faults = health.recent.iter().map(|calls| calls.faulted).sum();
    let asked = report.slow_until.as_ref().map(|(until, _)| *until);
    let slowed = health.until.filter(|_| health.state == HealthState::Slowed && !health.recovering);
    let first_probe = saturating_add(now, FIRST_PAUSE);
    PurposeHealth {
        state: HealthState::Failing,
        since: now,
        until: Some(first_probe.max(asked.unwrap_or(now)).max(slowed.unwrap_or(now))),
        recovering: false,
        cause: Some(cause),
        calls_failed: faults,
        first_failure: Some(health.first_failure.unwrap_or(now)),
        probes_failed: 0,
        probe: None,
        set_by: None,
        ..health
    }
}

fn probe_failed(health: PurposeHealth, report: &Report, now: Timestamp) -> PurposeHealth {
    let probes_failed = health.probes_failed.saturating_add(1);
    let pause = FIRST_PAUSE.saturating_mul(1 << probes_failed.min(10)).min(LONGEST_PAUSE);
    let asked = report.slow_until.as_ref().map_or(now, |(until, _)| *until);
    let until = saturating_add(now, pause).max(asked);
    PurposeHealth { probes_failed, until: Some(until), probe: None, ..health }
}

fn recovered(health: PurposeHealth, now: Timestamp) -> PurposeHealth {
    let last_outage = ended_outage(&health, now);
    PurposeHealth {
        state: HealthState::Slowed,
        until: Some(saturating_add(now, LONGEST_RAMP)),
        recovering: true,
        first_failure: None,
        last_success: Some(now),
        last_outage,
        ..healthy(health, "a probe has succeeded: more are called with each round", now)
    }
}

/// The health with what was counted, in the same state.
fn counted(health: &PurposeHealth, report: &Report, now: Timestamp) -> PurposeHealth {
    let mut next = health.clone();
    next.recent = merged(&health.recent, &report.ended, now);
    next.calls_failed = health.calls_failed.saturating_add(report.faults);
    if report.last_error.is_some() {
        next.last_error.clone_from(&report.last_error);
    }
    next.last_success = health.last_success.max(report.last_success);
    let is_after_success =
        |failure: &Timestamp| next.last_success.is_none_or(|success| *failure > success);
    let failures = [health.first_failure, report.first_fault];
    next.first_failure = failures.into_iter().flatten().filter(is_after_success).min();
    next.unreadable = None;
    next
}

/// How many calls ended and how many of them in faults, if that makes the purpose failing.
fn is_failing(recent: &[EndedCalls]) -> Option<(u64, u64)> {
    let ended = recent.iter().map(|calls| calls.ended).sum();
    let faulted = recent.iter().map(|calls| calls.faulted).sum();
    (ended >= LEAST_CALLS && faulted * 2 >= ended).then_some((ended, faulted))
}

#[cfg(test)]
mod tests;
