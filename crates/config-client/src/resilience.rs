//! Attempts: what is tried again, how often, after what wait, and when nothing is tried for a
//! while.
//!
//! The breaker counts single requests. When half of the last ten have failed it opens, and every
//! request is refused without being sent. After a wait some are let through: if they succeed it
//! closes, else the wait doubles, up to three seconds, so that who asks notices within five that
//! the service is back (F12). Only an outage counts as a failure. A refusal
//! does not, nor does a service that says when to come back.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use recloser::{AsyncRecloser, Error, Recloser};

use crate::error::ClientError;
use crate::request::Request;

/// Retries after the first attempt.
const RETRIES: usize = 2;

/// The span of the first wait; the second is twice as long.
const BASE: Duration = Duration::from_millis(200);

/// The longest wait that is waited out. Whether to wait any longer is left to the caller.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The requests that the breaker looks back on.
const LOOKED_BACK_ON: usize = 10;

/// The share of them that must have failed.
const FAILED: f32 = 0.5;

/// The longest time for which the breaker lets nothing through.
const LONGEST_OPEN: Duration = Duration::from_secs(3);

/// Lets nothing through for a while after too much has failed.
#[derive(Debug, Clone)]
pub(crate) struct Breaker(AsyncRecloser);

impl Breaker {
    /// A breaker that opens for `wait` the first time.
    pub(crate) fn new(wait: Duration) -> Self {
        let breaker = Recloser::custom()
            .error_rate(FAILED)
            .closed_len(LOOKED_BACK_ON)
            .half_open_len(1)
            .open_wait(wait);
        Self(
            breaker
                .open_wait_strategy(|failures, wait| doubled(wait, failures, LONGEST_OPEN))
                .build()
                .into(),
        )
    }

    /// Runs the call unless the breaker is open.
    pub(crate) async fn guard<T>(
        &self,
        request: &Request,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        match self.0.call_with(is_failure_of_the_service, call).await {
            Ok(answer) => Ok(answer),
            Err(Error::Inner(error)) => Err(error),
            Err(Error::Rejected) => Err(ClientError::CircuitOpen { request: request.name() }),
        }
    }
}

fn is_failure_of_the_service(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. }
        | ClientError::BrokenOff { .. }
        | ClientError::Silent { .. } => true,
        ClientError::Unavailable { problem, retry_after, .. } => {
            problem.status.is_server_error() && retry_after.is_none()
        }
        _ => false,
    }
}

/// Runs `attempt` up to three times while its error says that a later one can succeed, with full
/// jitter. `Retry-After` is a floor of the wait.
pub(crate) async fn with_retries<T, F>(attempt: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let spans = ExponentialBuilder::new().with_min_delay(BASE).with_max_times(RETRIES).build();
    attempt
        .retry(spans.map(full_jitter))
        .when(is_worth_another_attempt)
        .adjust(|error, wait| wait_for(error.retry_after(), wait))
        .notify(|error, wait| tracing::debug!(%error, ?wait, "trying again"))
        .await
}

/// An open breaker stays open for longer than the attempts take.
fn is_worth_another_attempt(error: &ClientError) -> bool {
    error.is_transient() && !matches!(error, ClientError::CircuitOpen { .. })
}

/// The wait before the next attempt; `None`: no more attempts. Behind the floor comes the backoff,
/// lest all who were told the same come back at one moment.
fn wait_for(retry_after: Option<Duration>, backoff: Option<Duration>) -> Option<Duration> {
    let wait = backoff? + retry_after.unwrap_or_default();
    (wait <= LONGEST_WAIT).then_some(wait)
}

/// A wait between nothing and the whole span, so that those who failed together do not come back
/// together.
pub(crate) fn full_jitter(span: Duration) -> Duration {
    span.mul_f64(fastrand::f64())
}

/// The span after this many doublings, up to a cap.
pub(crate) fn doubled(first: Duration, times: u32, cap: Duration) -> Duration {
    first.saturating_mul(1 << times.min(20)).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_a_floor_and_a_long_one_ends_the_attempts() {
        let (short, long) = (Duration::from_millis(100), Duration::from_secs(3));
        assert_eq!(wait_for(None, Some(short)), Some(short));
        assert_eq!(wait_for(Some(long), Some(short)), Some(long + short));
        assert_eq!(wait_for(Some(short), Some(long)), Some(long + short));
        assert_eq!(wait_for(Some(Duration::from_mins(1)), Some(short)), None);
        assert_eq!(wait_for(Some(short), None), None);
    }

    #[test]
    fn waits_lie_anywhere_in_their_span() {
        let span = Duration::from_secs(1);
        let waits: Vec<_> = (0..100).map(|_| full_jitter(span)).collect();
        assert!(waits.iter().all(|wait| *wait <= span));
        assert!(
            waits.iter().any(|wait| *wait < span / 4)
                && waits.iter().any(|wait| *wait > span * 3 / 4)
        );
    }

    #[test]
    fn spans_double_up_to_their_cap() {
        let spans = [0, 1, 2, 3, u32::MAX]
            .map(|times| doubled(Duration::from_secs(1), times, Duration::from_secs(5)).as_secs());
        assert_eq!(spans, [1, 2, 4, 5, 5]);
    }
}
