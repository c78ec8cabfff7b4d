//! Faults of our own side (D4), kept so that readiness and the log can tell them: no file
//! descriptor, no memory, a full disk. The users wait, and nobody would see why.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use crate::clock::AgentClock;
use crate::handler::{HandlerError, ResultStatus, UserResult};

/// A fault that has not come again for so long is over.
const OVER_AFTER: SignedDuration = SignedDuration::from_secs(15);

/// How often a fault that lasts is logged.
const LOG_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// The fault of our own side that there is at the moment.
pub(crate) struct OwnFaults {
    clock: Arc<dyn AgentClock>,
    latest: Mutex<Option<OwnFault>>,
}

struct OwnFault {
    what: String,
    since: Timestamp,
    last: Timestamp,
    logged_at: Timestamp,
    /// Users who were put off since it was logged.
    put_off: usize,
}

impl OwnFaults {
    pub(crate) fn new(clock: Arc<dyn AgentClock>) -> Self {
        Self { clock, latest: Mutex::default() }
    }

    /// Notes it if our own side could not do a call for `users`, or the work of one of them.
    pub(crate) fn note(&self, returned: &Result<Vec<UserResult>, HandlerError>, users: usize) {
        let (what, put_off) = match returned {
            Err(HandlerError::OwnFault { detail }) => (detail.clone(), users),
            Err(_of_theirs) => return,
            Ok(results) => {
                let is_ours = |result: &&UserResult| result.status == ResultStatus::Postponed;
                let Some(first) = results.iter().find(is_ours) else { return };
                let what = first.error.clone().unwrap_or_default();
                (what, results.iter().filter(is_ours).count())
            }
        };
        self.note_fault(what, put_off);
    }

    fn note_fault(&self, what: String, put_off: usize) {
        let now = self.clock.now();
        let mut latest = self.latest.lock().expect("it is changed by code that does not panic");
        match &mut *latest {
            Some(fault) if !fault.is_over(now) => {
                (fault.what, fault.last) = (what, now);
                fault.put_off += put_off;
            }
            _ => {
                let logged_at = Timestamp::MIN;
                *latest = Some(OwnFault { what, since: now, last: now, logged_at, put_off });
            }
        }
        latest.iter_mut().for_each(|fault| fault.log_if_due(now));
    }

    /// What our own side lacks, and since when; `None` if nothing, as far as is known.
    pub(crate) fn present(&self) -> Option<String> {
        let now = self.clock.now();
        let latest = self.latest.lock().expect("it is changed by code that does not panic");
        let fault = latest.as_ref().filter(|fault| !fault.is_over(now))?;
        Some(format!("{}, since {}", fault.what, fault.since))
    }
}

impl OwnFault {
    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.last).abs() > OVER_AFTER
    }

    fn log_if_due(&mut self, now: Timestamp) {
        if self.logged_at != Timestamp::MIN && now.duration_since(self.logged_at) < LOG_EVERY {
            return;
        }
        tracing::warn!(
            fault = self.what,
            since = %self.since,
            users = self.put_off,
            "a fault of our own side: the users wait, and no attempt is used up"
        );
        (self.logged_at, self.put_off) = (now, 0);
    }
}

#[cfg(test)]
mod tests {
    use cohort_preferences::Clock;

    use super::*;
    use crate::clock::SimulatedClock;

    #[test]
    fn a_fault_is_told_while_it_lasts_and_for_a_while_after() {
        let start: Timestamp = "2026-12-01T09:00:00Z".parse().expect("an instant");
        let clock = SimulatedClock::starting_at(start);
        let faults = OwnFaults::new(Arc::new(clock.clone()));
        assert_eq!(faults.present(), None);
        faults.note(&Err(HandlerError::retry("busy")), 1);
        assert_eq!(faults.present(), None, "none of ours");

        faults.note(&Err(HandlerError::own_fault("the disk is full")), 3);
        clock.advance_to(clock.now() + OVER_AFTER);
        faults.note(&Err(HandlerError::own_fault("the disk is full")), 1);
        clock.advance_to(clock.now() + OVER_AFTER);
        let told = faults.present().expect("it lasts");
        assert_eq!(told, "the disk is full, since 2026-12-01T09:00:00Z");
        clock.advance_to(clock.now() + SignedDuration::from_secs(1));
        assert_eq!(faults.present(), None);
    }
}
