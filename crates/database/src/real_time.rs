//! Limits by the real clock.
//!
//! A thread that works for a caller, and the disk below it, take real time. The runtime's clock may
//! be another: in simulated time it jumps to the next timer while everybody waits, and a limit of
//! its would be over at once.

use std::pin::pin;
use std::time::Duration;

use futures_timer::Delay;
use futures_util::future::{Either, select};

/// Waits for the work for so long by the real clock; `None` if it is not done by then.
pub async fn within_real_time<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), Delay::new(limit)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}
