//! The host's clock, set to where a benchmark wants it: nobody has to wait for nine o'clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cohort_batch_agent::{AgentClock, SystemClock};
use cohort_preferences::Clock;
use jiff::{SignedDuration, Timestamp};

/// Goes as the host's clock goes, from another time on. Clones are the same clock.
#[derive(Debug, Clone, Default)]
pub(super) struct ShiftedClock {
    /// Microseconds ahead of the host's.
    ahead: Arc<AtomicI64>,
}

impl ShiftedClock {
    /// Sets it.
    pub(super) fn set_to(&self, instant: Timestamp) {
        let ahead = instant.as_microsecond() - SystemClock.now().as_microsecond();
        self.ahead.store(ahead, Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now() + SignedDuration::from_micros(self.ahead.load(Ordering::SeqCst))
    }
}

impl AgentClock for ShiftedClock {}
