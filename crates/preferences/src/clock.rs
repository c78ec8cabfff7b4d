//! The time as an argument: code that needs it takes a [`Clock`], and none asks the host.

use jiff::Timestamp;

/// Tells the time. In simulated time every part of the system shares one (M1).
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Stamps for commits: microseconds of a clock, strictly growing even where the clock stands or
/// steps back (M1).
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanoseconds: i128) -> Timestamp {
        Timestamp::from_nanosecond(nanoseconds).expect("inside the calendar")
    }

    #[test]
    fn stamps_are_whole_microseconds_and_grow_where_the_clock_stands_or_steps_back() {
        let mut stamps = MonotonicStamps::after(Timestamp::UNIX_EPOCH);
        assert_eq!(stamps.next(at(5_000_900)), at(5_000_000));
        assert_eq!(stamps.next(at(5_000_900)), at(5_001_000));
        assert_eq!(stamps.next(at(1_000)), at(5_002_000));
        assert_eq!(stamps.last(), at(5_002_000));
    }

    #[test]
    fn no_stamp_is_at_or_before_what_was_passed() {
        let mut stamps = MonotonicStamps::after(Timestamp::UNIX_EPOCH);
        stamps.pass(at(7_000_300));
        assert_eq!(stamps.next(at(1_000)), at(7_001_000));
        stamps.pass(at(1_000));
        assert_eq!(stamps.next(at(1_000)), at(7_002_000));
    }
}
