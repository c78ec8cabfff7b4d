//! Instants that a read asks for: rounded to the microseconds of stamps, and waited for (M1).

use std::time::Duration;

use cohort_preferences::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use crate::error::ConfigServiceError;

/// How long a read waits for its instant to settle, in real time.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How often the clock is asked whether the instant has come: a simulated clock wakes nobody.
const CLOCK_ASKED_EVERY: Duration = Duration::from_millis(10);

/// Waits until the clock reaches the instant; fails at the deadline.
pub(super) async fn come_to(
    as_of: Timestamp,
    clock: &dyn Clock,
    deadline: Instant,
) -> Result<(), ConfigServiceError> {
    loop {
        let missing = as_of.duration_since(clock.now());
        if !missing.is_positive() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let retry_after = Duration::from_secs(missing.as_secs().clamp(1, 60).unsigned_abs());
            return Err(ConfigServiceError::NotSettled { retry_after });
        }
        sleep(CLOCK_ASKED_EVERY.min(missing.unsigned_abs())).await;
    }
}

/// Returns the error for an instant that has come while a write stamped before it is still open.
pub(super) fn not_settled() -> ConfigServiceError {
    ConfigServiceError::NotSettled { retry_after: Duration::from_secs(1) }
}

/// Returns the latest instant before this stamp.
pub(super) fn just_before(stamp: Timestamp) -> Timestamp {
    stamp
        .saturating_sub(SignedDuration::from_micros(1))
        .expect("a duration never fails to be subtracted")
}

/// Returns the instant cut to whole microseconds, as stamps are: an instant between two is settled
/// as soon as the earlier is.
pub(crate) fn whole_micros(instant: Timestamp) -> Timestamp {
    let nanos = instant.as_nanosecond().rem_euclid(1_000) as i64;
    instant
        .saturating_sub(SignedDuration::from_nanos(nanos))
        .expect("a duration never fails to be subtracted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_inside_a_microsecond_counts_as_its_start() {
        let at = |micros| Timestamp::from_microsecond(micros).expect("in range");
        let between = Timestamp::from_nanosecond(-1_500).expect("in range");
        assert_eq!(whole_micros(between), at(-2));
        assert_eq!(whole_micros(at(7)), at(7));
    }
}
