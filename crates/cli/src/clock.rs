//! The host's clock, for what runs in this process in real time.

use cohort_preferences::Clock;
use jiff::Timestamp;

/// The host's wall clock, to the microsecond, which is what the databases keep (M1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostClock;

impl Clock for HostClock {
    #[expect(clippy::disallowed_methods, reason = "where the clock that everything is handed comes from")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).expect("a coarser instant is still in range")
    }
}
