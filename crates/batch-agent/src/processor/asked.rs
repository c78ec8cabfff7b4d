//! Pauses that a handler asks for: how much of it is granted, and what is said of it. Pure (D4).

use jiff::{SignedDuration, Timestamp};

use crate::clock::saturating_add;
use crate::handler::{HandlerError, UserResult};
use crate::jobs::Purpose;

/// The error with what the handler has asked for in its text, and what of it is granted (D4).
pub(super) fn asked_pause(error: HandlerError, purpose: &Purpose) -> HandlerError {
    match error {
        HandlerError::Retry { detail, retry_after_s: Some(asked) } => {
            let detail = format!("{detail}; {}", words_of(asked, purpose.patience.max_retry_after));
            HandlerError::Retry { detail, retry_after_s: Some(asked) }
        }
        error => error,
    }
}

/// What was asked for, and what is granted if that is less.
pub(super) fn words_of(asked: u64, most: SignedDuration) -> String {
    let granted = clamped(asked, most).as_secs();
    if u64::try_from(granted).is_ok_and(|granted| granted == asked) {
        format!("asked to wait {asked} s")
    } else {
        format!("asked to wait {asked} s, and is waited for {granted} s")
    }
}

/// Until when the handler asks to be left alone by all, and in what words (D4).
pub(super) fn slow_until(
    purpose: &Purpose,
    returned: &Result<Vec<UserResult>, HandlerError>,
    now: Timestamp,
) -> Option<(Timestamp, String)> {
    let Err(HandlerError::Retry { detail, retry_after_s: Some(asked) }) = returned else {
        return None;
    };
    let pause = clamped(*asked, purpose.patience.max_retry_after);
    (!pause.is_zero()).then(|| (saturating_add(now, pause), detail.clone()))
}

/// The pause that was asked for, as far as it is granted (D4).
pub(super) fn clamped(asked: u64, most: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(asked).unwrap_or(i64::MAX)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_handler_asks_for_is_granted_up_to_the_limit() {
        let most = SignedDuration::from_mins(15);
        for (asked, granted) in
            [(0, 0), (120, 120), (900, 900), (30_000, 900), (1_796_000_000, 900), (u64::MAX, 900)]
        {
            assert_eq!(clamped(asked, most).as_secs(), granted, "{asked}");
        }
        assert_eq!(words_of(120, most), "asked to wait 120 s");
        assert_eq!(words_of(30_000, most), "asked to wait 30000 s, and is waited for 900 s");
    }
}
