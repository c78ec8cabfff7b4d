//! How often a key may ask (W5).

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use cohort_preferences::TenantId;
use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::error::{ConfigServiceError, Result};

/// How often each key may ask.
pub(super) struct RequestRate(Option<RateLimiter<Asker, HashMapStateStore<Asker>, DefaultClock>>);

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Asker {
    /// The key of this id.
    Key(u64),
    /// The links of one tenant.
    Links(TenantId),
}

impl RequestRate {
    /// Allows so many requests in each second and as many at once, or any number with `None`.
    pub(super) fn of(requests_per_second: Option<NonZeroU32>) -> Self {
        Self(requests_per_second.map(|most| {
            RateLimiter::new(
                Quota::per_second(most),
                HashMapStateStore::new(HashMap::new()),
                DefaultClock::default(),
            )
        }))
    }

    /// Counts a request. Fails if it is one too many, and says when the next is allowed.
    pub(super) fn count(&self, asker: &Asker) -> Result<()> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check_key(asker).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            ConfigServiceError::TooManyRequests {
                retry_after: Duration::from_secs(wait.as_secs() + 1),
            }
        })
    }

    /// Forgets those who have not asked for a while.
    pub(super) fn forget_quiet(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_asks_too_often_is_told_when_to_come_back_and_others_are_not() {
        let rate = RequestRate::of(NonZeroU32::new(2));
        assert!(rate.count(&Asker::Key(1)).is_ok() && rate.count(&Asker::Key(1)).is_ok());
        let refused = rate.count(&Asker::Key(1)).expect_err("the third");
        assert!(matches!(refused,
                ConfigServiceError::TooManyRequests { retry_after } if retry_after.as_secs() == 1));
        assert!(rate.count(&Asker::Key(2)).is_ok());
        assert!(rate.count(&Asker::Links("ann".parse().expect("an id"))).is_ok());
    }

    #[test]
    fn without_a_rate_nobody_asks_too_often() {
        let rate = RequestRate::of(None);
        assert!((0..100_000).all(|_| rate.count(&Asker::Key(1)).is_ok()));
    }
}
