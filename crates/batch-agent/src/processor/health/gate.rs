//! The way to one purpose's handler in one agent: who may pass now, and what is seen of the calls.
//!
//! ```text
//! row of the ledger ─┐
//! calls that ended  ─┴─► health as it is known here ─► a turn for a call, or none
//! ```
//!
//! What this agent has seen counts here at once, before the ledger and the other agents know.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use cohort_ledger::{HealthState, PurposeHealth};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::judge::{Evidence, Second};
use super::ramp::Ramp;
use super::report::{EndedCall, ProbeEnd, Report, WINDOW};
use super::transitions::{next_call_at, reported};
use crate::clock::AgentClock;

/// How often an agent reports at most, but for what cannot wait.
const REPORT_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// How often it is logged that a purpose is still failing.
const REMIND_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// For how many seconds with calls it is kept how they ended.
const SECONDS_KEPT: usize = 128;

/// The way to one purpose's handler.
pub(crate) struct Gate {
    known: Mutex<Known>,
    /// Changes when somebody may pass who could not, or the other way round.
    changed: watch::Sender<()>,
}

struct Known {
    /// As last read or stored.
    row: PurposeHealth,
    /// What was seen since the last report.
    pending: Report,
    /// The row with what is pending.
    health: PurposeHealth,
    /// The ramp that lasts; `None` if as many may be called as the limits allow.
    ramp: Option<Ramp>,
    /// The recovery of the last ramp that was begun.
    ramp_since: Option<Timestamp>,
    in_flight: usize,
    last_success: Option<Timestamp>,
    seconds: VecDeque<Second>,
    reported_at: Timestamp,
    /// Whether a report is on its way to the ledger.
    is_reporting: bool,
    /// The last change that was logged.
    told: Told,
    told_at: Timestamp,
    /// The revision of the last row of which it was logged that it cannot be read.
    unreadable: Option<u64>,
}

/// What a log line tells: the state, and whether it is a recovery.
type Told = (HealthState, bool);

/// Permission to make one call, until it is dropped.
pub(crate) struct Turn(Option<Arc<Gate>>);

/// A report on its way, until it has arrived or never will.
pub(super) struct Reporting<'a>(&'a Gate);

/// Whether a call may be made.
enum Passage {
    Free,
    Later,
    Closed,
}

impl Gate {
    pub(super) fn new(health: PurposeHealth) -> Self {
        let known = Known {
            row: health.clone(),
            pending: Report::default(),
            health,
            ramp: None,
            ramp_since: None,
            in_flight: 0,
            last_success: None,
            seconds: VecDeque::new(),
            reported_at: Timestamp::MIN,
            is_reporting: false,
            told: (HealthState::Healthy, false),
            told_at: Timestamp::MIN,
            unreadable: None,
        };
        Self { known: Mutex::new(known), changed: watch::Sender::new(()) }
    }

    /// The health as it is known here.
    pub(crate) fn health(&self) -> PurposeHealth {
        self.known().health.clone()
    }

    /// The state at an instant.
    pub(crate) fn state_at(&self, now: Timestamp) -> HealthState {
        self.known().health.state_at(now)
    }

    /// Whether nobody is called at an instant, but for a probe.
    pub(crate) fn is_closed(&self, now: Timestamp) -> bool {
        self.known().is_closed(now)
    }

    /// Whether work of the purpose stays in the ledger: nobody may be called, but for a probe.
    pub(crate) fn is_held(&self, now: Timestamp) -> bool {
        let known = self.known();
        known.is_closed(now) && known.health.state != HealthState::Disabled
    }

    /// When somebody may be called again; `None` while only an operator can tell.
    pub(crate) fn next_call_at(&self, now: Timestamp) -> Option<Timestamp> {
        next_call_at(&self.known().health, now)
    }

    /// Waits for the turn to make a call; `None` if nobody may be called.
    pub(crate) async fn turn(self: &Arc<Self>, clock: &dyn AgentClock) -> Option<Turn> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let passage = self.known().pass(clock.now());
            match passage {
                Passage::Free => return Some(Turn(Some(Arc::clone(self)))),
                Passage::Closed => return None,
                // The sender lives as long as `self`, so waiting cannot fail.
                Passage::Later => drop(changed.changed().await),
            }
        }
    }

    /// The turn of a probe, which waits for nobody.
    pub(crate) fn turn_of_probe() -> Turn {
        Turn(None)
    }

    /// Returns once nobody may be called.
    pub(crate) async fn until_closed(&self, clock: &dyn AgentClock) {
        let mut changed = self.changed.subscribe();
        while !self.is_closed(clock.now()) {
            drop(changed.changed().await);
        }
    }

    /// Notes a call that ended. `limit` is how many calls there may be at once.
    pub(super) fn note(&self, call: &EndedCall, is_probe: bool, limit: usize, now: Timestamp) {
        let mut known = self.known();
        let is_fault = call.fault.is_some();
        let is_stale = call.began < known.health.since;
        known.pending.add(call, is_stale, now);
        known.count(is_fault, now);
        if is_probe {
            let end = if is_fault { ProbeEnd::Fault } else { ProbeEnd::Success };
            known.pending.probe = Some((end, now));
        } else if !(is_stale || is_fault && call.is_of_suspects) {
            known.climb(is_fault, limit);
        }
        known.renew(now);
        drop(known);
        self.changed.send_replace(());
    }

    /// Whether an agent has the right to make the probe.
    pub(super) fn has_probe(&self, holder: &str) -> bool {
        self.known().health.probe.as_ref().is_some_and(|probe| probe.holder == holder)
    }

    /// Notes that a probe was not made.
    pub(super) fn note_no_probe(&self, now: Timestamp) {
        let mut known = self.known();
        known.pending.probe = Some((ProbeEnd::NotMade, now));
        known.renew(now);
    }

    /// Takes over what the ledger says, unless something newer is known.
    pub(super) fn hear(&self, row: PurposeHealth, now: Timestamp) {
        let mut known = self.known();
        // While a report is on its way, what was stored before it is no news.
        let oldest = known.row.revision + u64::from(known.is_reporting);
        if row.revision < oldest {
            return;
        }
        known.row = row;
        known.renew(now);
        drop(known);
        self.changed.send_replace(());
    }

    /// The state that is to be logged, with the one before: it has changed, or it lasts and was
    /// logged a minute ago.
    pub(super) fn untold(&self, now: Timestamp) -> Option<(HealthState, PurposeHealth)> {
        let mut known = self.known();
        let state = known.health.state_at(now);
        let told = (state, state == HealthState::Slowed && known.health.recovering);
        let (before, is_change) = (known.told.0, known.told != told);
        let is_reminder = state == HealthState::Failing
            && now.duration_since(known.told_at).abs() >= REMIND_EVERY;
        if !is_change && !is_reminder {
            return None;
        }
        (known.told, known.told_at) = (told, now);
        Some((before, PurposeHealth { state, ..known.health.clone() }))
    }

    /// Whether it is to be logged that the row of this revision cannot be read: once.
    pub(super) fn is_unreadable_untold(&self, revision: u64) -> bool {
        self.known().unreadable.replace(revision) != Some(revision)
    }

    /// What is to be reported now, if anything is; it counts as reported. One report is on its way
    /// at a time: of two, the first that is stored would undo here what the second says.
    pub(super) fn take_report(&self, now: Timestamp) -> Option<(Report, Reporting<'_>)> {
        let mut known = self.known();
        if known.is_reporting || !known.is_report_due(now) {
            return None;
        }
        (known.reported_at, known.is_reporting) = (now, true);
        // Until the ledger has answered, it holds here as if it had taken it.
        known.row = PurposeHealth { revision: known.row.revision, ..known.health.clone() };
        Some((std::mem::take(&mut known.pending), Reporting(self)))
    }

    /// Gives back a report that the ledger did not take.
    pub(super) fn put_back(&self, report: Report, now: Timestamp) {
        let mut known = self.known();
        let later = std::mem::take(&mut known.pending);
        known.pending = report.and_then(later, now);
    }

    /// What is known of the purpose to judge an attempt by.
    pub(crate) fn evidence(&self, max_outage: SignedDuration, now: Timestamp) -> Evidence {
        let known = self.known();
        Evidence {
            now,
            is_failing: known.health.state == HealthState::Failing,
            last_success: known.last_success.max(known.health.last_success),
            first_failure: known.health.first_failure,
            last_outage: known.health.last_outage,
            seconds: known.seconds.iter().copied().collect(),
            max_outage,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("what is known is changed by code that does not panic")
    }
}

impl Known {
    fn pass(&mut self, now: Timestamp) -> Passage {
        if self.is_closed(now) {
            return Passage::Closed;
        }
        if self.ramp.is_some_and(|ramp| self.in_flight >= ramp.at_once) {
            return Passage::Later;
        }
        self.in_flight += 1;
        Passage::Free
    }

    fn is_closed(&self, now: Timestamp) -> bool {
        match self.health.state_at(now) {
            HealthState::Healthy => false,
            HealthState::Slowed => !self.health.recovering,
            HealthState::Failing | HealthState::Paused | HealthState::Disabled => true,
        }
    }

    fn climb(&mut self, is_fault: bool, limit: usize) {
        let Some(ramp) = &mut self.ramp else { return };
        if let Some(end) = ramp.note(is_fault, limit) {
            self.pending.ramp = Some(end).filter(|_| self.health.recovering);
            self.ramp = None;
        }
    }

    fn count(&mut self, is_fault: bool, now: Timestamp) {
        if !is_fault {
            self.last_success = Some(now);
        }
        let at = now.as_second();
        if self.seconds.back().is_none_or(|second| second.at != at) {
            self.seconds.push_back(Second { at, ended: 0, faulted: 0 });
        }
        if self.seconds.len() > SECONDS_KEPT {
            self.seconds.pop_front();
        }
        let second = self.seconds.back_mut().expect("one was pushed if there was none");
        second.ended += 1;
        second.faulted += u64::from(is_fault);
    }

    /// Makes the health anew from the row and what is pending, and begins a ramp or ends one.
    fn renew(&mut self, now: Timestamp) {
        self.health = reported(&self.row, &self.pending, now);
        match self.health.state {
            HealthState::Slowed if self.health.recovering => {
                let since = self.health.since;
                if self.ramp_since != Some(since) {
                    self.ramp_since = Some(since);
                    self.ramp = Some(Ramp::beginning());
                }
            }
            HealthState::Healthy | HealthState::Slowed => {}
            _ => self.ramp = None,
        }
    }

    fn is_report_due(&self, now: Timestamp) -> bool {
        if self.health.state != self.row.state || self.pending.is_urgent() {
            return true;
        }
        let since = now.as_second() - WINDOW.as_secs();
        let fails_lately =
            self.row.recent.iter().any(|calls| calls.faulted > 0 && calls.second >= since);
        let is_told_of_successes = fails_lately || self.row.first_failure.is_some();
        now.duration_since(self.reported_at).abs() >= REPORT_EVERY
            && (self.pending.faults > 0
                || self.pending.last_success.is_some() && is_told_of_successes)
    }
}

impl Drop for Reporting<'_> {
    fn drop(&mut self) {
        self.0.known().is_reporting = false;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(gate) = self.0.take() else { return };
        let mut known = gate.known();
        known.in_flight = known.in_flight.saturating_sub(1);
        let is_waited_for = known.ramp.is_some();
        drop(known);
        if is_waited_for {
            gate.changed.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_waits_for_the_one_on_its_way_and_is_not_undone_by_it() {
        let now = Timestamp::from_second(1_000_000).expect("an instant");
        let healthy = PurposeHealth::healthy("posting".parse().expect("a purpose"));
        let gate = Gate::new(healthy.clone());
        let refuse = |times| {
            let fault = Some("answered 503".to_owned());
            let call = EndedCall { began: now, fault, is_of_suspects: false, slow_until: None };
            (0..times).for_each(|_| gate.note(&call, false, 25, now));
        };
        refuse(1);
        let (_report, on_its_way) = gate.take_report(now).expect("a fault is reported");
        refuse(30);
        assert!(gate.take_report(now).is_none(), "one at a time");
        gate.hear(PurposeHealth { revision: 1, ..healthy }, now);
        assert_eq!(gate.state_at(now), HealthState::Failing);
        drop(on_its_way);
        assert!(gate.take_report(now).is_some());
    }
}
