//! The time as an argument: who needs it is handed a [`Clock`], and nobody asks the host.

use jiff::Timestamp;

/// Tells the time. In simulated time every part of the system shares one (M1).
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Stamps for commits: microseconds of a clock, strictly growing even where the clock stands or steps back (M1).
#[derive(Debug, Clone)]
pub struct MonotonicStamps {
    last: Timestamp,
}

impl MonotonicStamps {
    /// Goes on after `last`, the newest stamp given so far.
    pub fn after(last: Timestamp) -> Self {
        Self { last }
    }

    /// The stamp for something that commits at `now`.
    pub fn next(&mut self, now: Timestamp) -> Timestamp {
        let micros = now.as_microsecond().max(self.last.as_microsecond() + 1);
        self.last = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
        self.last
    }

    /// Promises that no later stamp is at or before `instant`.
    pub fn pass(&mut self, instant: Timestamp) {
        self.last = self.last.max(instant);
    }

    /// The newest stamp given or passed.
    pub fn last(&self) -> Timestamp {
        self.last
    }
}
