//! Time keys: the text form of *when* inside a frequency (T10).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cron::Cron;
use crate::day::Day;
use crate::frequency::Frequency;
use crate::parity::Parity;
use crate::time_of_day::{TimeOfDay, two_digits};

/// *When* inside a frequency, in canonical form: equal preferences are equal text. A part that is
/// not stated is `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TimeKey {
    /// `-`: hourly, daily, cron, or no frequency, with nothing stated.
    Unstated,
    /// `:MM`: the minute of each hour.
    Minute(u8),
    /// `HH:MM`: daily, or a time without a frequency.
    Time(TimeOfDay),
    /// `monday:HH:MM`, `1:HH:MM`, `-:HH:MM`, `last:-`: weekly and monthly.
    Day {
        /// Weekdays, or the day of the month.
        day: Option<Day>,
        /// The time on each of them.
        time: Option<TimeOfDay>,
    },
    /// A weekly key with `~0`, `~1` or `~-` behind it: biweekly.
    Alternating {
        /// Weekdays.
        day: Option<Day>,
        /// The time on each of them.
        time: Option<TimeOfDay>,
        /// Which weeks.
        parity: Option<Parity>,
    },
    /// A cron expression in normal form.
    Cron(Cron),
}

/// The text is not a time key in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a time key such as 09:00, monday:10:00, 1:10:00, :30, monday:10:00~0 or a cron \
     expression in normal form"
)]
pub struct TimeKeyError;

impl TimeKey {
    /// Whether this key can stand behind the frequency (`None`: a frequency that was not stated).
    pub fn fits(&self, frequency: Option<Frequency>) -> bool {
        match (frequency, self) {
            (Some(Frequency::Hourly), Self::Unstated | Self::Minute(0..=59))
            | (Some(Frequency::Daily) | None, Self::Unstated | Self::Time(_))
            | (Some(Frequency::Cron), Self::Unstated | Self::Cron(_)) => true,
            (Some(frequency @ (Frequency::Weekly | Frequency::Monthly)), Self::Day { day, .. })
            | (Some(frequency @ Frequency::Biweekly), Self::Alternating { day, .. }) => {
                day.is_none_or(|day| day.suits(frequency))
            }
            _ => false,
        }
    }

    /// Whether every part is stated.
    pub fn is_complete(&self) -> bool {
        match self {
            Self::Unstated => false,
            Self::Minute(_) | Self::Time(_) | Self::Cron(_) => true,
            Self::Day { day, time } => day.is_some() && time.is_some(),
            Self::Alternating { day, time, parity } => {
                day.is_some() && time.is_some() && parity.is_some()
            }
        }
    }
}

/// The parts that a key states; `None` for one that it leaves open or has no place for.
impl TimeKey {
    pub(crate) fn day(&self) -> Option<Day> {
        match *self {
            Self::Day { day, .. } | Self::Alternating { day, .. } => day,
            Self::Unstated | Self::Minute(_) | Self::Time(_) | Self::Cron(_) => None,
        }
    }

    pub(crate) fn time(&self) -> Option<TimeOfDay> {
        match *self {
            Self::Time(time) => Some(time),
            Self::Day { time, .. } | Self::Alternating { time, .. } => time,
            Self::Unstated | Self::Minute(_) | Self::Cron(_) => None,
        }
    }

    pub(crate) fn parity(&self) -> Option<Parity> {
        match *self {
            Self::Alternating { parity, .. } => parity,
            _ => None,
        }
    }
}

impl fmt::Display for TimeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unstated => f.write_str("-"),
            Self::Minute(minute) => write!(f, ":{minute:02}"),
            Self::Time(time) => time.fmt(f),
            Self::Day { day, time } => write!(f, "{}:{}", Part(*day), Part(*time)),
            Self::Alternating { day, time, parity } => {
                write!(f, "{}:{}~{}", Part(*day), Part(*time), Part(*parity))
            }
            Self::Cron(cron) => cron.fmt(f),
        }
    }
}

/// One part of a key, `-` where it is not stated.
struct Part<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for Part<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(part) => part.fmt(f),
            None => f.write_str("-"),
        }
    }
}

impl FromStr for TimeKey {
    type Err = TimeKeyError;

    fn from_str(text: &str) -> Result<Self, TimeKeyError> {
        let key = read(text).ok_or(TimeKeyError)?;
        if key.to_string() == text { Ok(key) } else { Err(TimeKeyError) }
    }
}

fn read(text: &str) -> Option<TimeKey> {
    if text == "-" {
        return Some(TimeKey::Unstated);
    }
    if text.contains(' ') {
        return text.parse().ok().map(TimeKey::Cron);
    }
    if let &[b':', m1, m2] = text.as_bytes() {
        return two_digits(m1, m2).filter(|minute| *minute < 60).map(TimeKey::Minute);
    }
    if let Ok(time) = text.parse() {
        return Some(TimeKey::Time(time));
    }
    match text.split_once('~') {
        None => read_day_and_time(text).map(|(day, time)| TimeKey::Day { day, time }),
        Some((weekly, parity)) => {
            let (day, time) = read_day_and_time(weekly)?;
            let parity = match parity {
                "0" => Some(Parity::Even),
                "1" => Some(Parity::Odd),
                "-" => None,
                _ => return None,
            };
            matches!(day, None | Some(Day::Weekdays(_))).then_some(TimeKey::Alternating {
                day,
                time,
                parity,
            })
        }
    }
}

fn read_day_and_time(text: &str) -> Option<(Option<Day>, Option<TimeOfDay>)> {
    let (day, time) = text.split_once(':')?;
    Some((read_part(day).ok()?, read_part(time).ok()?))
}

fn read_part<T: FromStr>(text: &str) -> Result<Option<T>, T::Err> {
    if text == "-" { Ok(None) } else { text.parse().map(Some) }
}

impl TryFrom<String> for TimeKey {
    type Error = TimeKeyError;

    fn try_from(text: String) -> Result<Self, TimeKeyError> {
        text.parse()
    }
}

impl From<TimeKey> for String {
    fn from(key: TimeKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_key_reads_back_from_its_own_text() {
        for text in [
            "-",
            ":05",
            "09:00",
            "monday:10:00",
            "monday,thursday:10:00",
            "1:10:00",
            "last:10:00",
            "-:10:00",
            "monday:-",
            "-:-",
            "31:-",
            "monday:10:00~0",
            "monday:10:00~1",
            "-:-~-",
            "0 9 * * 1,2,3,4,5",
        ] {
            assert_eq!(text.parse::<TimeKey>().map(|key| key.to_string()), Ok(text.into()));
        }
    }

    #[test]
    fn what_is_not_canonical_is_no_time_key() {
        for text in [
            "",
            "9:00",
            ":5",
            ":60",
            "24:00",
            "thursday,monday:10:00",
            "monday,monday:10:00",
            "Monday:10:00",
            "01:10:00:",
            "032:10:00",
            "32:10:00",
            "0:10:00",
            "monday:10:00~2",
            "1:10:00~0",
            "0 9 * * 1-5",
            "monday",
            "09:00 ",
            "monday:10:00~",
        ] {
            assert_eq!(text.parse::<TimeKey>(), Err(TimeKeyError), "{text}");
        }
    }

    #[test]
    fn a_key_fits_the_frequencies_whose_parts_it_states() {
        let fits = |text: &str| {
            let key: TimeKey = text.parse().expect("canonical");
            Frequency::ALL
                .into_iter()
                .filter(|frequency| key.fits(Some(*frequency)))
                .collect::<Vec<_>>()
        };
        assert_eq!(fits("09:00"), [Frequency::Daily]);
        assert_eq!(fits("monday:10:00"), [Frequency::Weekly]);
        assert_eq!(fits("-:10:00"), [Frequency::Weekly, Frequency::Monthly]);
        assert_eq!(fits("last:-"), [Frequency::Monthly]);
        assert_eq!(fits("-:-~-"), [Frequency::Biweekly]);
        assert_eq!(fits("-"), [Frequency::Hourly, Frequency::Daily, Frequency::Cron]);
    }
}
