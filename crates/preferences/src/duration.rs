//! Durations as people write them: `25s`, `1h 30m`, `400d`.
//!
//! Flags, environment variables, batch configs and REST requests share this one grammar, which is
//! jiff's friendly format (and the durations of ISO 8601, such as `PT12H`). A day has 24 hours and
//! a week has 7 days. Months and years are refused, because they are not always equally long.

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// The text is not a number with a unit, or the duration is too long to be represented.
    #[error("expected a duration such as 25s, 12h or 400d, got {0:?}")]
    Malformed(String),
    /// The duration is below zero.
    #[error("expected a duration that is not negative, such as 12h, got {0:?}")]
    Negative(String),
    /// The duration has months or years.
    #[error("months and years vary in length: expected days, such as 400d, got {0:?}")]
    Calendar(String),
}

/// Parses a duration such as `25s`, `1h 30m` or `400d`; a day has 24 hours.
///
/// Zero is a duration. Whoever needs more than zero, or an upper limit, checks that in addition.
pub fn parse_duration(text: &str) -> Result<SignedDuration, InvalidDuration> {
    let duration = match text.parse::<SignedDuration>() {
        Ok(duration) => duration,
        // Days are units of a calendar to jiff: only a span may have them.
        Err(_has_days_or_is_malformed) => parse_days(text)?,
    };
    if duration.is_negative() {
        return Err(InvalidDuration::Negative(text.into()));
    }
    Ok(duration)
}

/// Reads a field that holds a duration as text; for `#[serde(deserialize_with)]`.
pub fn deserialize_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SignedDuration>, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
}

fn parse_days(text: &str) -> Result<SignedDuration, InvalidDuration> {
    let span: Span = text.parse().map_err(|_error| InvalidDuration::Malformed(text.into()))?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(InvalidDuration::Calendar(text.into()));
    }
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_error| InvalidDuration::Malformed(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    #[test]
    fn what_batch_configs_and_flags_took_before_is_a_duration() {
        for (text, seconds) in [
            ("0s", 0),
            ("25s", 25),
            ("90s", 90),
            ("30m", 30 * MINUTE),
            ("12h", 12 * HOUR),
            ("48h", 48 * HOUR),
            ("1h 30m", HOUR + 30 * MINUTE),
            ("1h30m", HOUR + 30 * MINUTE),
            ("1.5h", HOUR + 30 * MINUTE),
            ("2 hours, 5 minutes", 2 * HOUR + 5 * MINUTE),
            ("01:30:00", HOUR + 30 * MINUTE),
            ("PT12H", 12 * HOUR),
        ] {
            assert_eq!(parse_duration(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("200ms"), Ok(SignedDuration::from_millis(200)));
    }

    #[test]
    fn what_retentions_took_before_is_a_duration() {
        for days in [0, 1, 39, 40, 400, 7_000_000] {
            let expected = SignedDuration::from_secs(days * DAY);
            assert_eq!(parse_duration(&format!("{days}d")), Ok(expected), "{days}");
        }
    }

    #[test]
    fn what_lifetimes_of_keys_and_links_took_before_is_a_duration() {
        for (unit, seconds) in [("s", 1), ("m", MINUTE), ("h", HOUR), ("d", DAY)] {
            for number in [1, 72, 90, 999_999] {
                let expected = SignedDuration::from_secs(number * seconds);
                assert_eq!(parse_duration(&format!("{number}{unit}")), Ok(expected), "{number}");
            }
        }
    }

    #[test]
    fn days_and_weeks_are_24_hours_each_and_mix_with_smaller_units() {
        for (text, seconds) in [
            ("400 days", 400 * DAY),
            ("1d 12h", DAY + 12 * HOUR),
            ("2w", 14 * DAY),
            ("P1DT1H", DAY + HOUR),
        ] {
            assert_eq!(parse_duration(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_refused_is_named_with_an_example() {
        let malformed = |text: &str| InvalidDuration::Malformed(text.into());
        for text in ["", "soon", "d", "400", "1y 2", "12 h h", "99999999999999999999d", "1ü"] {
            assert_eq!(parse_duration(text), Err(malformed(text)), "{text}");
        }
        for text in ["-1s", "-1h 30m", "-400d", "10s ago", "-PT1H"] {
            assert_eq!(parse_duration(text), Err(InvalidDuration::Negative(text.into())), "{text}");
        }
        for text in ["1y", "2 months", "P1M", "1mo 3d"] {
            assert_eq!(parse_duration(text), Err(InvalidDuration::Calendar(text.into())), "{text}");
        }
        assert_eq!(
            malformed("soon").to_string(),
            "expected a duration such as 25s, 12h or 400d, got \"soon\""
        );
    }
}
