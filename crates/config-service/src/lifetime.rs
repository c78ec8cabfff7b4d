//! How long a key or a link is good for, as text: `90s`, `30m`, `72h`, `90d`.

use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::Deserialize;

/// The most digits of the number: keeps every lifetime far inside the calendar.
const MOST_DIGITS: usize = 6;

/// A length of time with one unit; a day is 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Lifetime(SignedDuration);

/// A text that is no lifetime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number and one of s, m, h, d, such as 72h")]
pub(crate) struct LifetimeError;

impl Lifetime {
    /// So many days.
    pub(crate) const fn days(days: i64) -> Self {
        Self(SignedDuration::from_hours(24 * days))
    }

    /// Returns the instant at which it is over if it begins at `now`, in whole seconds.
    pub(crate) fn end(self, now: Timestamp) -> Timestamp {
        let whole = Timestamp::from_second(now.as_second())
            .expect("a second of the calendar is in the calendar");
        whole.saturating_add(self.0).expect("a duration never fails to be added")
    }
}

impl FromStr for Lifetime {
    type Err = LifetimeError;

    fn from_str(text: &str) -> Result<Self, LifetimeError> {
        // The parser knows signs, fractions, blanks and several units besides.
        let number = text.strip_suffix(['s', 'm', 'h', 'd']).ok_or(LifetimeError)?;
        let is_whole = (1..=MOST_DIGITS).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_whole || number.starts_with('0') {
            return Err(LifetimeError);
        }
        let span: Span = text.parse().map_err(|_malformed| LifetimeError)?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours());
        Ok(Self(duration.map_err(|_too_long| LifetimeError)?))
    }
}

impl TryFrom<String> for Lifetime {
    type Error = LifetimeError;

    fn try_from(text: String) -> Result<Self, LifetimeError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_whole_number_with_one_unit() {
        let now: Timestamp = "2026-12-01T12:00:00.5Z".parse().expect("an instant");
        let end =
            |text: &str| text.parse::<Lifetime>().map(|lifetime| lifetime.end(now).to_string());
        assert_eq!(end("72h"), Ok("2026-12-04T12:00:00Z".into()));
        assert_eq!(end("90s"), Ok("2026-12-01T12:01:30Z".into()));
        assert_eq!(end("3d"), end("72h"));
        assert_eq!(end("60m"), end("1h"));
        assert!(end("999999d").is_ok());
        for wrong in
            ["", "h", "72", "0h", "-1h", "+1h", "1.5h", "1 h", "1h30m", "1w", "1234567s", "1ü"]
        {
            assert_eq!(end(wrong), Err(LifetimeError), "{wrong}");
        }
    }
}
