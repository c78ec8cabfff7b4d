//! The moment that is asked about, as people name moments: an instant, a local time, a day, or a
//! day by its name.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use serde::{Deserialize, Serialize};

use super::named_day::NamedDay;

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
    /// A day by its name, as of now on the user's clock, and maybe a time on it.
    Named(NamedDay, Option<Time>),
}

/// A text that names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an instant such as 2026-12-07T09:00:00Z, a time on the user's clock such as \
     2026-12-07T10:00, a day such as 2026-12-07, or today, yesterday, tomorrow or a weekday such \
     as monday, each with a time (monday 09:00) or without"
)]
pub struct MomentError;

/// A moment in which a day's name has become a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatedMoment {
    /// An instant.
    Instant(Timestamp),
    /// A time on the user's clock.
    Local(DateTime),
    /// A day on the user's clock.
    Day(Date),
}

impl Moment {
    /// Returns the moment with the date that a day's name stands for.
    pub(super) fn dated(self, today: Date) -> DatedMoment {
        match self {
            Self::Instant(at) => DatedMoment::Instant(at),
            Self::Local(local) => DatedMoment::Local(local),
            Self::Day(day) => DatedMoment::Day(day),
            Self::Named(day, None) => DatedMoment::Day(day.date(today)),
            Self::Named(day, Some(time)) => DatedMoment::Local(day.date(today).to_datetime(time)),
        }
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        let instant = || text.parse().ok().map(Self::Instant);
        let day = || text.parse().ok().filter(|_| text.len() == "2026-12-07".len()).map(Self::Day);
        let local = || text.parse().ok().map(Self::Local);
        let found = instant().or_else(day).or_else(local).or_else(|| named(text));
        found.ok_or(MomentError)
    }
}

/// Reads a day by its name, alone or with a time after it.
fn named(text: &str) -> Option<Moment> {
    let (day, time) = match text.trim().split_once(char::is_whitespace) {
        Some((day, time)) => (day, Some(time.trim_start().parse().ok()?)),
        None => (text.trim(), None),
    };
    Some(Moment::Named(NamedDay::read(day)?, time))
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant(instant) => instant.fmt(f),
            Self::Local(local) => local.fmt(f),
            Self::Day(day) => day.fmt(f),
            Self::Named(day, None) => day.fmt(f),
            Self::Named(day, Some(time)) if time.second() == 0 => {
                write!(f, "{day} {}", time.strftime("%H:%M"))
            }
            Self::Named(day, Some(time)) => write!(f, "{day} {time}"),
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
    fn a_moment_is_an_instant_a_local_time_or_a_day_by_date_or_name() {
        assert!(matches!("2026-12-07T09:00:00Z".parse(), Ok(Moment::Instant(_))));
        assert!(matches!("2026-12-07T10:00:00+01:00".parse(), Ok(Moment::Instant(_))));
        assert!(matches!("2026-12-07T10:00".parse(), Ok(Moment::Local(_))));
        assert!(matches!("2026-12-07 10:00".parse(), Ok(Moment::Local(_))));
        assert!(matches!("2026-12-07".parse(), Ok(Moment::Day(_))));
        assert!(matches!("monday".parse(), Ok(Moment::Named(_, None))));
        assert!(matches!("Yesterday  09:00".parse(), Ok(Moment::Named(_, Some(_)))));
        for wrong in ["", "someday", "2026-13-07", "10:00", "monday 25:00", "monday noon"] {
            assert_eq!(wrong.parse::<Moment>(), Err(MomentError), "{wrong}");
        }
    }

    #[test]
    fn a_named_day_is_told_as_it_was_asked_and_read_on_the_calendar() {
        let today = "2026-12-08".parse().expect("a Tuesday");
        for (asked, told, dated) in [
            ("Monday 09:30", "monday 09:30", "2026-12-07T09:30:00"),
            ("tue", "tuesday", "2026-12-08"),
            ("wednesday", "wednesday", "2026-12-02"),
            ("yesterday", "yesterday", "2026-12-07"),
            ("tomorrow 09:00:07", "tomorrow 09:00:07", "2026-12-09T09:00:07"),
        ] {
            let Ok(moment) = asked.parse::<Moment>() else { panic!("{asked}") };
            let Ok(in_full) = dated.parse::<Moment>() else { panic!("{dated}") };
            assert_eq!((&*moment.to_string(), moment.dated(today)), (told, in_full.dated(today)));
            assert_eq!(told.parse(), Ok(moment), "it reads back");
        }
    }
}
