//! The moment that is asked about, as people name moments: an instant, a local time, or a day.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Moment {
    /// An instant.
    Instant(Timestamp),
    /// A time on the user's clock.
    Local(DateTime),
    /// A day on the user's clock.
    Day(Date),
}

/// A text that names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an instant such as 2026-12-07T09:00:00Z, a time on the user's clock such as \
     2026-12-07T10:00, or a day such as 2026-12-07"
)]
pub struct MomentError;

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        let instant = || text.parse().ok().map(Self::Instant);
        let day = || text.parse().ok().filter(|_| text.len() == "2026-12-07".len()).map(Self::Day);
        let local = || text.parse().ok().map(Self::Local);
        instant().or_else(day).or_else(local).ok_or(MomentError)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant(instant) => instant.fmt(f),
            Self::Local(local) => local.fmt(f),
            Self::Day(day) => day.fmt(f),
        }
    }
}

impl TryFrom<String> for Moment {
    type Error = MomentError;

    fn try_from(text: String) -> Result<Self, MomentError> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_an_instant_a_local_time_or_a_day() {
        assert!(matches!("2026-12-07T09:00:00Z".parse(), Ok(Moment::Instant(_))));
        assert!(matches!("2026-12-07T10:00:00+01:00".parse(), Ok(Moment::Instant(_))));
        assert!(matches!("2026-12-07T10:00".parse(), Ok(Moment::Local(_))));
        assert!(matches!("2026-12-07 10:00".parse(), Ok(Moment::Local(_))));
        assert!(matches!("2026-12-07".parse(), Ok(Moment::Day(_))));
        for wrong in ["", "monday", "2026-13-07", "10:00"] {
            assert_eq!(wrong.parse::<Moment>(), Err(MomentError), "{wrong}");
        }
    }
}
