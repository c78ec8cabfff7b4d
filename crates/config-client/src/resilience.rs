//! Attempts: what is tried again, how often, and after what wait.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use crate::error::ClientError;

/// Retries after the first attempt.
const RETRIES: usize = 2;

/// The first wait before jitter, which adds up to as much again.
const BASE: Duration = Duration::from_millis(100);

/// Who asks for a longer wait than this is not waited for: the caller decides.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Runs `attempt` up to three times while its error says that a later one can succeed. `Retry-After` is a floor of the wait.
pub(crate) async fn with_retries<T, F>(attempt: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let backoff = ExponentialBuilder::new().with_min_delay(BASE).with_max_times(RETRIES).with_jitter();
    attempt
        .retry(backoff)
        .when(ClientError::is_transient)
        .adjust(|error, wait| wait_for(error.retry_after(), wait))
        .notify(|error, wait| tracing::debug!(%error, ?wait, "trying again"))
        .await
}

/// The wait before the next attempt; `None`: no more attempts.
fn wait_for(retry_after: Option<Duration>, backoff: Option<Duration>) -> Option<Duration> {
    let wait = backoff?.max(retry_after.unwrap_or_default());
    (wait <= LONGEST_WAIT).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_a_floor_and_a_long_one_ends_the_attempts() {
        let (short, long) = (Duration::from_millis(100), Duration::from_secs(3));
        assert_eq!(wait_for(None, Some(short)), Some(short));
        assert_eq!(wait_for(Some(long), Some(short)), Some(long));
        assert_eq!(wait_for(Some(short), Some(long)), Some(long));
        assert_eq!(wait_for(Some(Duration::from_mins(1)), Some(short)), None);
        assert_eq!(wait_for(Some(short), None), None);
    }
}
