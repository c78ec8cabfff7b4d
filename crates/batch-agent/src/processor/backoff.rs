//! When a failed attempt is followed by the next: exponential backoff with full jitter (D4).

use jiff::SignedDuration;

/// The span of the first pause.
const BASE: SignedDuration = SignedDuration::from_secs(1);

/// The longest span.
const CAP: SignedDuration = SignedDuration::from_mins(5);

/// The pause after this many attempts (at least 1), between zero and a span that doubles with each.
///
/// `seed` picks the point in the span: what is retried together spreads out, and the same chunk
/// always waits as long, so that a simulation repeats itself.
pub(super) fn pause(attempts: u32, seed: u64) -> SignedDuration {
    let doublings = attempts.saturating_sub(1).min(20);
    let span = BASE.saturating_mul(1 << doublings).min(CAP);
    point_within(span, seed, u64::from(attempts))
}

/// The longest span while nothing of the purpose succeeds: the work goes on soon after the handler
/// is back (D12).
const CAP_WHILE_NOTHING_SUCCEEDS: SignedDuration = SignedDuration::from_secs(25);

/// The same after attempts that use up no retry.
pub(super) fn pause_while_nothing_succeeds(attempts: u32, seed: u64) -> SignedDuration {
    let doublings = attempts.saturating_sub(1).min(20);
    let span = BASE.saturating_mul(1 << doublings).min(CAP_WHILE_NOTHING_SUCCEEDS);
    point_within(span, seed, u64::from(attempts))
}

/// A point between zero and the end of a span that these numbers pick, always the same.
pub(super) fn point_within(span: SignedDuration, seed: u64, turn: u64) -> SignedDuration {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(&turn.to_le_bytes());
    let mut sample = [0; 4];
    hasher.finalize_xof().fill(&mut sample);
    let fraction = f64::from(u32::from_le_bytes(sample)) / f64::from(u32::MAX);
    SignedDuration::from_millis((span.as_millis() as f64 * fraction) as i64)
}

/// The longest pause after a fault of our own side.
const AFTER_OWN_FAULT: SignedDuration = SignedDuration::from_secs(5);

/// The pause after our own side could not make a call (D4): from 1 s to 5 s. No attempts are
/// counted that it could grow with.
pub(super) fn pause_after_own_fault(seed: u64) -> SignedDuration {
    BASE + point_within(AFTER_OWN_FAULT - BASE, seed, 0)
}

/// The pause of a chunk whose settings cannot be read because the Config Database has been away for
/// `away_for` (M3): about as long again, from 5 s to 60 s, so that pauses double.
pub(super) fn pause_while_away(away_for: SignedDuration, seed: u64) -> SignedDuration {
    let span = away_for.clamp(SignedDuration::from_secs(5), SignedDuration::from_secs(60));
    let half = span / 2;
    half + point_within(half, seed, span.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_lies_within_its_span_and_the_cap(attempts in 1u32..50, seed: u64) {
            let span = BASE.saturating_mul(1 << (attempts - 1).min(20)).min(CAP);
            let pause = pause(attempts, seed);
            prop_assert!(!pause.is_negative() && pause <= span);
        }
    }

    proptest! {
        #[test]
        fn a_pause_while_the_config_database_is_away_grows_with_its_absence(
            away_ms in 0..10_000_000i64,
            seed: u64,
        ) {
            let span = SignedDuration::from_millis(away_ms.clamp(5_000, 60_000));
            let pause = pause_while_away(SignedDuration::from_millis(away_ms), seed);
            prop_assert!(pause >= span / 2 && pause <= span, "{pause} of {span}");
        }
    }

    #[test]
    fn pauses_of_one_attempt_spread_over_the_span() {
        let pauses: Vec<_> = (0..100).map(|seed| pause(4, seed).as_millis()).collect();
        assert!(
            pauses.iter().any(|pause| *pause < 2_000) && pauses.iter().any(|pause| *pause > 6_000)
        );
    }
}
