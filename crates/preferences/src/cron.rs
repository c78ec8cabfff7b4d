//! Cron expressions in five fields, in a normal form (T9, T10).
//!
//! The syntax is read by `croner`; what is kept is the set of values of each field, because equal
//! wishes must be equal text. One thing besides the sets changes the meaning and is kept too: an
//! hour field that is a wildcard or a step follows the clock through a repeated hour, while listed
//! hours fire once a day (T9).

use std::fmt;
use std::str::FromStr;

use croner::parser::{CronParser, Seconds, Year};
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};

use crate::time_of_day::TimeOfDay;

const MINUTES_A_DAY: i64 = 24 * 60;

const ALL_MINUTES: u64 = (1 << 60) - 1;
const ALL_DAYS: u32 = 0xFFFF_FFFE;
const ALL_MONTHS: u16 = 0x1FFE;
const ALL_WEEKDAYS: u8 = 0x7F;

/// More dates than are looked at between two matching ones: at most 29 a year (29 February over a
/// century that is no leap year) of months that match, and one of each month that does not.
const LONGEST_WAIT: u32 = 9 * 366;

const MONTH_NAMES: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAY_NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A cron expression: minute, hour, day of month, month, day of week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cron {
    minutes: u64,
    hours: Hours,
    /// `None` for `*`: the day of the month does not restrict.
    days: Option<u32>,
    months: u16,
    /// `None` for `*`: the day of the week does not restrict. Bit 0 is Sunday.
    weekdays: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Hours {
    /// `*` (a step of 1) or `*/n`.
    Every(u8),
    /// Lists and ranges.
    Fixed(u32),
}

/// Why a text is no cron expression of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// The text is not five fields of numbers, names, lists, ranges and steps.
    #[error("expected a cron expression of five fields (minute hour day month weekday): {0}")]
    Syntax(String),
    /// No date of any year matches, such as 30 February.
    #[error("expected a cron expression that fires on some date; no year has such a day")]
    NeverFires,
}

impl Cron {
    /// Whether it fires whenever the local clock shows a matching time, also twice in a repeated
    /// hour (T9).
    pub(crate) fn follows_the_clock(&self) -> bool {
        matches!(self.hours, Hours::Every(_))
    }

    /// The matching local times at or after `from`, in the order of the calendar; ends after the
    /// longest wait.
    pub(crate) fn nominals_from(self, from: DateTime) -> impl Iterator<Item = DateTime> {
        self.dates_from(from.date())
            .flat_map(move |date| self.times().map(move |time| date.to_datetime(time)))
            .skip_while(move |nominal| *nominal < from)
    }

    /// The times of day at which it fires, in order.
    pub(crate) fn times_of_day(self) -> impl Iterator<Item = TimeOfDay> {
        self.times().filter_map(|time| TimeOfDay::new(time.hour() as u8, time.minute() as u8))
    }

    /// The least time between two nominal times, on a clock that never changes.
    pub(crate) fn least_interval(self) -> SignedDuration {
        let minutes: Vec<i64> =
            self.times_of_day().map(|time| time.minute_of_day().into()).collect();
        let overnight =
            self.least_days_between() * MINUTES_A_DAY + minutes[0] - minutes[minutes.len() - 1];
        SignedDuration::from_mins(
            minutes.windows(2).map(|pair| pair[1] - pair[0]).fold(overnight, i64::min),
        )
    }

    /// The fewest days from a matching date to the next.
    ///
    /// The years 1996 to 2028 tell: among them each weekday begins a year of either length after a
    /// year of either length, and only 29 February alone is ever waited for across a whole year.
    fn least_days_between(self) -> i64 {
        let mut dates = self
            .dates_from(Date::constant(1996, 1, 1))
            .take_while(|date| date.year() <= 2028)
            .peekable();
        let mut least = i64::MAX / MINUTES_A_DAY - 1;
        while let (Some(date), Some(next)) = (dates.next(), dates.peek()) {
            least = least.min(next.duration_since(date).as_hours() / 24);
            if least == 1 {
                break;
            }
        }
        least
    }

    fn dates_from(self, first: Date) -> impl Iterator<Item = Date> {
        let next = move |date: &Date| {
            if self.matches_month(*date) { *date } else { date.last_of_month() }.tomorrow().ok()
        };
        std::iter::successors(Some(first), next)
            .scan(0, move |waited, date| {
                *waited = if self.matches_date(date) { 0 } else { *waited + 1 };
                (*waited <= LONGEST_WAIT).then_some(date)
            })
            .filter(move |date| self.matches_date(*date))
    }

    fn matches_month(&self, date: Date) -> bool {
        self.months & (1 << date.month()) != 0
    }

    fn matches_date(&self, date: Date) -> bool {
        let on_day = self.days.map(|days| days & (1 << date.day()) != 0);
        let on_weekday = self
            .weekdays
            .map(|weekdays| weekdays & (1 << date.weekday().to_sunday_zero_offset()) != 0);
        // Both given mean either (T9).
        self.matches_month(date)
            && match (on_day, on_weekday) {
                (Some(day), Some(weekday)) => day || weekday,
                (Some(only), None) | (None, Some(only)) => only,
                (None, None) => true,
            }
    }

    fn times(self) -> impl Iterator<Item = Time> {
        let hours = self.hours.bits();
        let minutes = self.minutes;
        (0..24i8).filter(move |hour| hours & (1 << hour) != 0).flat_map(move |hour| {
            (0..60i8)
                .filter(move |minute| minutes & (1 << minute) != 0)
                .map(move |minute| Time::constant(hour, minute, 0, 0))
        })
    }
}

impl Hours {
    fn bits(self) -> u32 {
        match self {
            Self::Every(step) => {
                (0..24).step_by(step.into()).fold(0, |bits, hour| bits | 1 << hour)
            }
            Self::Fixed(bits) => bits,
        }
    }

    /// A field of `*` or `*/n` alone is `Every`; whatever else holds a `*` is the list of its
    /// values.
    fn read(field: &str, values: &[u16]) -> Self {
        match step_of_wildcard(field) {
            // A step past the end of the day leaves 00 only, like 24.
            Some(step) => Self::Every(step.clamp(1, 24) as u8),
            None => Self::Fixed(bits_of(values) as u32),
        }
    }
}

/// The step of a field that is `*` (a step of 1) or `*/n` alone.
fn step_of_wildcard(field: &str) -> Option<u16> {
    match field {
        "*" => Some(1),
        _ => field.strip_prefix("*/").and_then(|step| step.parse().ok()),
    }
}

fn bits_of(values: &[u16]) -> u64 {
    values.iter().fold(0, |bits, value| bits | 1 << value)
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let &[_, hour_field, day_field, _, weekday_field] = fields.as_slice() else {
            return Err(CronError::Syntax(format!("got {} fields", fields.len())));
        };
        refuse_extensions(text)?;
        for (index, field) in fields.iter().enumerate() {
            refuse_foreign_names(index, field)?;
        }
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let read =
            parser.parse(text).map_err(|cause| CronError::Syntax(cause.to_string()))?.pattern;
        let is_given = |field| step_of_wildcard(field) != Some(1);
        let mut days = is_given(day_field).then_some(bits_of(&read.days.values()) as u32);
        let mut weekdays = is_given(weekday_field)
            .then_some(bits_of(&read.days_of_week.values()) as u8 & ALL_WEEKDAYS);
        // A field that allows every day restricts nothing, and beside it neither does the other:
        // either is enough (T9).
        if days == Some(ALL_DAYS) || weekdays == Some(ALL_WEEKDAYS) {
            (days, weekdays) =
                (days.filter(|_| weekdays.is_none()), weekdays.filter(|_| days.is_none()));
            days = days.filter(|bits| *bits != ALL_DAYS);
            weekdays = weekdays.filter(|bits| *bits != ALL_WEEKDAYS);
        }
        let cron = Self {
            minutes: bits_of(&read.minutes.values()),
            hours: Hours::read(hour_field, &read.hours.values()),
            days,
            months: bits_of(&read.months.values()) as u16,
            weekdays,
        };
        // 1996 begins the longest run of dates that any expression has to wait through before the
        // next leap day.
        match cron.dates_from(Date::constant(1996, 1, 1)).next() {
            Some(_) => Ok(cron),
            None => Err(CronError::NeverFires),
        }
    }
}

/// `croner` reads more than the five classic fields know; what it adds is refused rather than half
/// understood.
fn refuse_extensions(text: &str) -> Result<(), CronError> {
    match text
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "*,-/".contains(*c)))
    {
        Some(c) => Err(CronError::Syntax(format!("the character {c:?} is not allowed"))),
        None if text
            .split(char::is_whitespace)
            .any(|field| field.split(',').any(str::is_empty) && !field.is_empty()) =>
        {
            Err(CronError::Syntax("a list has an empty place".into()))
        }
        None => Ok(()),
    }
}

/// Months have names in the month's field and weekdays in theirs; `croner` reads both in every
/// field, and L and W.
fn refuse_foreign_names(index: usize, field: &str) -> Result<(), CronError> {
    let known: &[&str] = match index {
        3 => &MONTH_NAMES,
        4 => &WEEKDAY_NAMES,
        _ => &[],
    };
    let mut names = field.split(|c: char| !c.is_ascii_alphabetic()).filter(|name| !name.is_empty());
    match names.find(|name| !known.iter().any(|known| known.eq_ignore_ascii_case(name))) {
        Some(name) => {
            Err(CronError::Syntax(format!("{name} has no meaning in field {}", index + 1)))
        }
        None => Ok(()),
    }
}

impl fmt::Display for Cron {
    /// The normal form: numbers, sorted, Sunday 0 (T10).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_values(f, self.minutes, self.minutes == ALL_MINUTES)?;
        f.write_str(" ")?;
        match self.hours {
            Hours::Every(1) => f.write_str("*")?,
            Hours::Every(step) => write!(f, "*/{step}")?,
            Hours::Fixed(bits) => write_values(f, bits.into(), false)?,
        }
        f.write_str(" ")?;
        write_values(f, self.days.unwrap_or_default().into(), self.days.is_none())?;
        f.write_str(" ")?;
        write_values(f, self.months.into(), self.months == ALL_MONTHS)?;
        f.write_str(" ")?;
        write_values(f, self.weekdays.unwrap_or_default().into(), self.weekdays.is_none())
    }
}

fn write_values(f: &mut fmt::Formatter<'_>, bits: u64, is_wildcard: bool) -> fmt::Result {
    if is_wildcard {
        return f.write_str("*");
    }
    let mut separator = "";
    for value in (0..64).filter(|value| bits & (1 << value) != 0) {
        write!(f, "{separator}{value}")?;
        separator = ",";
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        text.parse::<Cron>().map_or_else(|error| error.to_string(), |cron| cron.to_string())
    }

    #[test]
    fn equal_wishes_have_one_normal_form() {
        assert_eq!(normal("0 9 * * MON-FRI"), "0 9 * * 1,2,3,4,5");
        assert_eq!(normal("0  9 * * 5,1-4"), "0 9 * * 1,2,3,4,5");
        assert_eq!(normal("*/15 * * * *"), "0,15,30,45 * * * *");
        assert_eq!(normal("0 0 * JAN 7"), "0 0 * 1 0");
        assert_eq!(normal("0-59 */1 1-31 1-12 0-6"), "* * * * *");
        assert_eq!(normal("0 9 1-31 * 1"), "0 9 * * *");
        assert_eq!(normal("0 9 */1 * 1"), "0 9 * * 1");
        assert_eq!(normal("0 8-18/5 1 * *"), "0 8,13,18 1 * *");
    }

    #[test]
    fn hours_that_follow_the_clock_differ_from_the_same_hours_listed() {
        assert_ne!(normal("0 */12 * * *"), normal("0 0,12 * * *"));
        assert_ne!(normal("0 * * * *"), normal("0 0-23 * * *"));
        assert_eq!(normal("0 */300 * * *"), "0 */24 * * *");
    }

    #[test]
    fn the_normal_form_reads_back_as_itself() {
        for text in ["0 9 * * 1-5", "*/7 */5 1,15 2-4 SUN", "0 0 29 2 *", "5 0-23 * * *"] {
            assert_eq!(normal(&normal(text)), normal(text));
        }
    }

    #[test]
    fn what_never_fires_or_is_an_extension_is_refused() {
        assert_eq!("0 0 30 2 *".parse::<Cron>(), Err(CronError::NeverFires));
        for bad in [
            "",
            "* * * *",
            "* * * * * *",
            "@daily",
            "0 0 L * *",
            "0 0 15W * *",
            "0 0 * * 1#2",
            "61 * * * *",
            "0 25 * * *",
            "a b c d e",
            "0 9 JAN * *",
            "0 9 * MON *",
            "0 9 * * JAN",
            "1,,2 9 * * *",
            "0, 9 * * *",
        ] {
            assert!(matches!(bad.parse::<Cron>(), Err(CronError::Syntax(_))), "{bad}");
        }
    }
}
