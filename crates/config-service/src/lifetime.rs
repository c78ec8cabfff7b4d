//! How long a key or a link is good for, as text: `30m`, `72h`, `90d`.

use std::str::FromStr;

use cohort_preferences::{InvalidDuration, parse_duration};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// A length of time that is more than none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Lifetime(SignedDuration);

/// A text that is no lifetime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LifetimeError {
    #[error(transparent)]
    Duration(#[from] InvalidDuration),
    #[error("expected more than no time, such as 72h, got {0:?}")]
    None(String),
}

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
        let duration = parse_duration(text)?;
        if duration.is_zero() { Err(LifetimeError::None(text.into())) } else { Ok(Self(duration)) }
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
    fn a_lifetime_is_a_duration_of_more_than_none() {
        let now: Timestamp = "2026-12-01T12:00:00.5Z".parse().expect("an instant");
        let end =
            |text: &str| text.parse::<Lifetime>().map(|lifetime| lifetime.end(now).to_string());
        assert_eq!(end("72h"), Ok("2026-12-04T12:00:00Z".into()));
        assert_eq!(end("90s"), Ok("2026-12-01T12:01:30Z".into()));
        assert_eq!(end("3d"), end("72h"));
        assert_eq!(end("1h 30m"), end("90m"));
        assert!(end("999999d").is_ok());
        for wrong in ["", "h", "72", "0h", "-1h", "1y", "1ü"] {
            assert!(end(wrong).is_err(), "{wrong}");
        }
    }
}
