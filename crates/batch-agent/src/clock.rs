//! The clocks: the host's, one that is ahead of the host's, and one that a simulation moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cohort_preferences::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The longest sleep before a clock is read again.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// A clock that can be waited on.
#[async_trait]
pub trait AgentClock: Clock {
    /// Returns once the clock shows `instant` or later. Unless a clock does it in another way, it
    /// is read at least once a second, because it may be set meanwhile (F2).
    async fn sleep_until(&self, instant: Timestamp) {
        loop {
            let Ok(left) = Duration::try_from(instant.duration_since(self.now())) else { return };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LONGEST_NAP)).await;
        }
    }
}

/// The host's wall clock, to the microsecond.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the host is asked for the time"
    )]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond())
            .expect("a coarser instant is still in range")
    }
}

impl AgentClock for SystemClock {}

/// A clock that goes as fast as the host's, but shows another time: nobody has to wait for nine
/// o'clock. Clones are the same clock.
#[derive(Debug, Clone, Default)]
pub struct ShiftedClock {
    /// Microseconds ahead of the host's.
    ahead: Arc<AtomicI64>,
}

impl ShiftedClock {
    /// Sets the clock.
    pub fn set_to(&self, instant: Timestamp) {
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

/// A clock that stands until it is moved. In simulated time all parts share one (M1).
#[derive(Debug, Clone)]
pub struct SimulatedClock(watch::Sender<Timestamp>);

impl SimulatedClock {
    /// A clock that shows `start`.
    pub fn starting_at(start: Timestamp) -> Self {
        Self(watch::Sender::new(start))
    }

    /// Sets the clock, back too, as an operator or a time server may (F2).
    pub fn set_to(&self, instant: Timestamp) {
        self.0.send_replace(instant);
    }

    /// Moves the clock forward; a step back is not taken.
    pub fn advance_to(&self, instant: Timestamp) {
        self.0.send_if_modified(|now| {
            let moves = instant > *now;
            *now = instant.max(*now);
            moves
        });
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }
}

#[async_trait]
impl AgentClock for SimulatedClock {
    async fn sleep_until(&self, instant: Timestamp) {
        let mut shown = self.0.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _never_closed = shown.wait_for(|now| *now >= instant).await;
    }
}

/// The instant so much later, or so much earlier for a negative duration. Beyond either end of time
/// it is that end.
pub(crate) fn saturating_add(instant: Timestamp, duration: SignedDuration) -> Timestamp {
    instant.saturating_add(duration).expect("a duration of seconds has no calendar units")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_beyond_either_end_of_time_is_that_end() {
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().expect("an instant");
        assert_eq!(saturating_add(now, SignedDuration::MAX), Timestamp::MAX);
        assert_eq!(saturating_add(now, SignedDuration::MIN), Timestamp::MIN);
        assert_eq!(
            saturating_add(now, SignedDuration::from_secs(-1)).as_second() + 1,
            now.as_second()
        );
    }
}
