//! Which weeks a biweekly preference fires in (T4).

use std::fmt;

use jiff::civil::Date;

/// Whether the weeks chosen are an even or an odd number of weeks from that of 1970-01-05 (T4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Parity {
    /// `~0`.
    Even,
    /// `~1`.
    Odd,
}

/// A Monday: weeks are counted from it (T4).
const FIRST_WEEK: Date = Date::constant(1970, 1, 5);

impl Parity {
    /// The parity of the week, Monday to Sunday, that holds this date (T4).
    pub fn of_week(date: Date) -> Self {
        let days = date.duration_since(FIRST_WEEK).as_hours() / 24;
        if days.div_euclid(7) % 2 == 0 { Self::Even } else { Self::Odd }
    }
}

impl fmt::Display for Parity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Even => "0",
            Self::Odd => "1",
        })
    }
}
