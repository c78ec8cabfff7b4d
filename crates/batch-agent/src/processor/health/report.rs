//! What an agent has seen of a purpose's calls since it last told the others.

use cohort_ledger::EndedCalls;
use jiff::{SignedDuration, Timestamp};

/// The time over which calls are counted.
pub(super) const WINDOW: SignedDuration = SignedDuration::from_secs(30);

/// How a probe ended that was answered or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProbeEnd {
    Success,
    Fault,
    /// Nobody was called, or a fault of our own kept the call from being made.
    NotMade,
}

/// How a ramp ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RampEnd {
    ReachedLimits,
    Broken,
}

/// What was seen since the last report.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Report {
    /// Calls that ended, by second.
    pub(super) ended: Vec<EndedCalls>,
    /// How many of them in faults that may pass.
    pub(super) faults: u64,
    pub(super) last_error: Option<String>,
    /// The first fault after the last success, of a call with users who had not failed before
    /// while others succeeded.
    pub(super) first_fault: Option<Timestamp>,
    pub(super) last_success: Option<Timestamp>,
    /// Until when the handler asks to be left alone, and in what words.
    pub(super) slow_until: Option<(Timestamp, String)>,
    /// How this agent's probe ended, and when.
    pub(super) probe: Option<(ProbeEnd, Timestamp)>,
    pub(super) ramp: Option<RampEnd>,
}

/// A call that ended, as health sees it.
#[derive(Debug, Clone)]
pub(crate) struct EndedCall {
    /// When the call began.
    pub(crate) began: Timestamp,
    /// The error, if it ended in a fault that may pass.
    pub(crate) fault: Option<String>,
    /// Whether each of its users had failed before while others succeeded: their faults say
    /// nothing of the purpose.
    pub(crate) is_of_suspects: bool,
    /// Until when the handler asks to be left alone, and in what words.
    pub(crate) slow_until: Option<(Timestamp, String)>,
}

impl Report {
    /// Adds a call that ended now. `is_stale`: it began before the purpose came into its present
    /// state, and says nothing of it.
    pub(super) fn add(&mut self, call: &EndedCall, is_stale: bool, now: Timestamp) {
        let is_fault = call.fault.is_some();
        self.faults += u64::from(is_fault);
        if let Some(error) = &call.fault {
            self.last_error = Some(error.clone());
            if !call.is_of_suspects && self.first_fault.is_none() {
                self.first_fault = Some(now);
            }
        } else {
            self.last_success = Some(now);
            self.first_fault = None;
        }
        if !(is_stale || is_fault && call.is_of_suspects) {
            let second = now.as_second();
            let calls = EndedCalls { second, ended: 1, faulted: u64::from(is_fault) };
            self.ended = merged(&self.ended, &[calls], now);
        }
        if call.slow_until.as_ref().map(|(until, _)| *until)
            > self.slow_until.as_ref().map(|(until, _)| *until)
        {
            self.slow_until.clone_from(&call.slow_until);
        }
    }

    /// This and what was seen later.
    pub(super) fn and_then(mut self, later: Self, now: Timestamp) -> Self {
        self.ended = merged(&self.ended, &later.ended, now);
        self.faults += later.faults;
        self.last_error = later.last_error.or(self.last_error);
        if later.last_success.is_some() {
            self.first_fault = None;
        }
        self.first_fault = self.first_fault.or(later.first_fault);
        self.last_success = self.last_success.max(later.last_success);
        self.slow_until = later.slow_until.or(self.slow_until);
        self.probe = later.probe.or(self.probe);
        self.ramp = later.ramp.or(self.ramp);
        self
    }

    /// Whether something was seen that cannot wait.
    pub(super) fn is_urgent(&self) -> bool {
        self.slow_until.is_some() || self.probe.is_some() || self.ramp.is_some()
    }
}

/// The calls of both, without those that ended before the window. Calls that end in the future
/// were counted by a clock that was set back since.
pub(super) fn merged(known: &[EndedCalls], more: &[EndedCalls], now: Timestamp) -> Vec<EndedCalls> {
    let mut all: Vec<EndedCalls> = Vec::new();
    let within = now.as_second() - WINDOW.as_secs()..=now.as_second();
    for calls in known.iter().chain(more).filter(|calls| within.contains(&calls.second)) {
        match all.iter_mut().find(|other| other.second == calls.second) {
            Some(other) => {
                other.ended += calls.ended;
                other.faulted += calls.faulted;
            }
            None => all.push(*calls),
        }
    }
    all.sort_by_key(|calls| calls.second);
    all
}
