//! The day on which a weekly, biweekly or monthly preference fires.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Weekday};

use crate::frequency::Frequency;

/// The names of the weekdays in week order, Monday first.
const WEEKDAY_NAMES: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A `preferred_day`: weekdays for weekly and biweekly, a day of the month for monthly (T1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Day {
    /// One or more weekdays.
    Weekdays(Weekdays),
    /// One day of each month.
    Month(MonthDay),
}

/// A set of weekdays that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weekdays(u8);

/// A day of the month; a shorter month clamps it to its last day (T5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MonthDay {
    /// 1 to 31.
    Number(u8),
    /// Always the last day of the month.
    Last,
}

/// The text is not a day in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a weekday (monday to sunday), 1 to 31 or \"last\"")]
pub struct DayError;

impl Day {
    /// Whether it is the kind of day that this frequency asks for.
    pub fn suits(self, frequency: Frequency) -> bool {
        match self {
            Self::Weekdays(_) => matches!(frequency, Frequency::Weekly | Frequency::Biweekly),
            Self::Month(_) => frequency == Frequency::Monthly,
        }
    }
}

impl Weekdays {
    /// T12's last resort where nobody states a day.
    pub const MONDAY: Self = Self(1);

    /// The set of these weekdays; `None` if there are none.
    pub fn new(days: impl IntoIterator<Item = Weekday>) -> Option<Self> {
        let bits = days.into_iter().fold(0, |bits, day| bits | bit(day));
        (bits != 0).then_some(Self(bits))
    }

    /// The weekday of one name, such as `monday`.
    pub fn named(name: &str) -> Option<Self> {
        WEEKDAY_NAMES.iter().position(|known| *known == name).map(|index| Self(1 << index))
    }

    /// Both sets together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set holds this weekday.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & bit(day) != 0
    }

    /// The fewest days from one of them to the next, where the days are asked for in every
    /// `weeks`th week.
    pub(crate) fn least_days_between(self, weeks: i64) -> i64 {
        let days: Vec<i64> = (0..7).filter(|index| self.0 & (1 << index) != 0).collect();
        let over_the_end = days[0] + 7 * weeks - days[days.len() - 1];
        days.windows(2).map(|pair| pair[1] - pair[0]).fold(over_the_end, i64::min)
    }
}

fn bit(day: Weekday) -> u8 {
    1 << day.to_monday_zero_offset()
}

impl MonthDay {
    /// A day of this number; `None` outside 1 to 31.
    pub fn new(day: u8) -> Option<Self> {
        (1..=31).contains(&day).then_some(Self::Number(day))
    }

    /// The date on which this day falls in the month of `any` (T5).
    pub fn in_month_of(self, any: Date) -> Date {
        let last = any.last_of_month();
        match self {
            Self::Number(day) if (day as i8) < last.day() => {
                Date::constant(any.year(), any.month(), day as i8)
            }
            Self::Number(_) | Self::Last => last,
        }
    }
}

impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (index, name) in WEEKDAY_NAMES.iter().enumerate() {
            if self.0 & (1 << index) != 0 {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

impl fmt::Display for MonthDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(day) => write!(f, "{day}"),
            Self::Last => f.write_str("last"),
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weekdays(days) => days.fmt(f),
            Self::Month(day) => day.fmt(f),
        }
    }
}

impl FromStr for Weekdays {
    type Err = DayError;

    /// Reads the canonical form only: week order, no repeats (T10).
    fn from_str(text: &str) -> Result<Self, DayError> {
        let days = text
            .split(',')
            .map(|name| Self::named(name).ok_or(DayError))
            .reduce(|set, day| Ok(set?.and(day?)))
            .ok_or(DayError)??;
        if days.to_string() == text { Ok(days) } else { Err(DayError) }
    }
}

impl FromStr for MonthDay {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        if text == "last" {
            return Ok(Self::Last);
        }
        let day = text.parse().ok().and_then(Self::new).ok_or(DayError)?;
        if day.to_string() == text { Ok(day) } else { Err(DayError) }
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        text.parse().map(Self::Month).or_else(|_| text.parse().map(Self::Weekdays))
    }
}
