//! A local time of day, to the minute.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Time;

/// The minutes of a day whose clock does not change.
pub(crate) const MINUTES_A_DAY: u16 = 24 * 60;

/// A local time of day from 00:00 to 23:59 (T1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
}

/// The text is not a time `HH:MM`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a time HH:MM from 00:00 to 23:59")]
pub struct TimeOfDayError;

impl TimeOfDay {
    /// T12's last resort where nobody states a time.
    pub const NINE: Self = Self { hour: 9, minute: 0 };

    /// The time at this hour and minute; `None` past 23:59.
    pub fn new(hour: u8, minute: u8) -> Option<Self> {
        (hour < 24 && minute < 60).then_some(Self { hour, minute })
    }

    /// The minute of the hour, 0 to 59.
    pub fn minute(self) -> u8 {
        self.minute
    }

    /// Minutes after midnight, 0 to 1439.
    pub fn minute_of_day(self) -> u16 {
        u16::from(self.hour) * 60 + u16::from(self.minute)
    }

    /// The same time as civil time, with zero seconds.
    pub fn to_civil(self) -> Time {
        Time::constant(self.hour as i8, self.minute as i8, 0, 0)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;

    fn from_str(text: &str) -> Result<Self, TimeOfDayError> {
        let &[h1, h2, b':', m1, m2] = text.as_bytes() else {
            return Err(TimeOfDayError);
        };
        let hour = two_digits(h1, h2).ok_or(TimeOfDayError)?;
        let minute = two_digits(m1, m2).ok_or(TimeOfDayError)?;
        Self::new(hour, minute).ok_or(TimeOfDayError)
    }
}

/// The number that two ASCII digits write.
pub(crate) fn two_digits(tens: u8, units: u8) -> Option<u8> {
    (tens.is_ascii_digit() && units.is_ascii_digit()).then(|| (tens - b'0') * 10 + (units - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_five_characters_of_a_real_time_are_a_time() {
        for good in ["00:00", "09:05", "23:59"] {
            assert_eq!(good.parse::<TimeOfDay>().map(|time| time.to_string()), Ok(good.into()));
        }
        for bad in ["", "24:00", "25:00", "9:00", "09:60", "09:00:00", " 09:00", "0९:00", "-1:00"]
        {
            assert_eq!(bad.parse::<TimeOfDay>(), Err(TimeOfDayError), "{bad}");
        }
    }
}
