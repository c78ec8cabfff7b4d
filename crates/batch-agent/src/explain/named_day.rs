//! A day by its name.

use std::fmt;

use jiff::civil::{Date, Weekday};

/// A day as people name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedDay {
    /// The present day.
    Today,
    /// The day before.
    Yesterday,
    /// The day after.
    Tomorrow,
    /// The latest such day, today included.
    Latest(Weekday),
}

const NAMES: [(&str, NamedDay); 10] = [
    ("today", NamedDay::Today),
    ("yesterday", NamedDay::Yesterday),
    ("tomorrow", NamedDay::Tomorrow),
    ("monday", NamedDay::Latest(Weekday::Monday)),
    ("tuesday", NamedDay::Latest(Weekday::Tuesday)),
    ("wednesday", NamedDay::Latest(Weekday::Wednesday)),
    ("thursday", NamedDay::Latest(Weekday::Thursday)),
    ("friday", NamedDay::Latest(Weekday::Friday)),
    ("saturday", NamedDay::Latest(Weekday::Saturday)),
    ("sunday", NamedDay::Latest(Weekday::Sunday)),
];

impl NamedDay {
    /// Reads a name, in any letter case; weekdays also by three letters.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        let is_named = |name: &str, day: Self| {
            name == text || matches!(day, Self::Latest(_)) && name[..3] == text
        };
        NAMES.into_iter().find(|(name, day)| is_named(name, *day)).map(|(_, day)| day)
    }

    /// Returns the date that it stands for; at the ends of the calendar, today.
    pub(super) fn date(self, today: Date) -> Date {
        let date = match self {
            Self::Today => Ok(today),
            Self::Yesterday => today.yesterday(),
            Self::Tomorrow => today.tomorrow(),
            Self::Latest(weekday) if weekday == today.weekday() => Ok(today),
            Self::Latest(weekday) => today.nth_weekday(-1, weekday),
        };
        date.unwrap_or(today)
    }
}

impl fmt::Display for NamedDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, day)| day == self).map(|(name, _)| *name);
        f.write_str(name.expect("each day stands in the table"))
    }
}
