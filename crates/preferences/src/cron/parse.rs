//! Reads cron expressions, and refuses what the five classic fields do not know.

use std::str::FromStr;

use croner::CronPattern;
use croner::parser::{CronParser, Seconds, Year};

use super::expression::{ALL_DAYS, ALL_WEEKDAYS, Cron, Hours};

const MONTH_NAMES: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAY_NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Why a text is not a cron expression that is understood here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CronError {
    /// The text is not five fields of numbers, names, lists, ranges and steps.
    #[error("expected a cron expression of five fields (minute hour day month weekday): {0}")]
    Syntax(String),
    /// No date of any year matches, such as 30 February.
    #[error("expected a cron expression that fires on some date; no year has such a day")]
    NeverFires,
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
        let read = pattern(text)?;
        let days = bits_of(&read.days.values()) as u32;
        let weekdays = bits_of(&read.days_of_week.values()) as u8 & ALL_WEEKDAYS;
        let (days, weekdays) = restrictions(
            is_restricted(day_field).then_some(days),
            is_restricted(weekday_field).then_some(weekdays),
        );
        let cron = Self {
            minutes: bits_of(&read.minutes.values()),
            hours: Hours::read(hour_field, &read.hours.values()),
            days,
            months: bits_of(&read.months.values()) as u16,
            weekdays,
        };
        if cron.ever_fires() { Ok(cron) } else { Err(CronError::NeverFires) }
    }
}

fn pattern(text: &str) -> Result<CronPattern, CronError> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let read = parser.parse(text).map_err(|cause| CronError::Syntax(cause.to_string()))?;
    Ok(read.pattern)
}

fn is_restricted(field: &str) -> bool {
    step_of_wildcard(field) != Some(1)
}

/// Days of the month and of the week that restrict the date. A field that lists every day restricts
/// nothing, and beside it neither does the other: either is enough (T9).
fn restrictions(days: Option<u32>, weekdays: Option<u8>) -> (Option<u32>, Option<u8>) {
    if days == Some(ALL_DAYS) || weekdays == Some(ALL_WEEKDAYS) {
        (None, None)
    } else {
        (days, weekdays)
    }
}

/// Refuses what `croner` reads beyond the five classic fields, rather than half understand it.
fn refuse_extensions(text: &str) -> Result<(), CronError> {
    let is_classic =
        |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "*,-/".contains(c);
    if let Some(c) = text.chars().find(|c| !is_classic(*c)) {
        return Err(CronError::Syntax(format!("the character {c:?} is not allowed")));
    }
    if text.split_whitespace().any(|field| field.split(',').any(str::is_empty)) {
        return Err(CronError::Syntax("a list has an empty entry".into()));
    }
    Ok(())
}

/// Refuses names outside their field. Months have names in the month's field and weekdays in
/// theirs; `croner` reads both in every field, and L and W.
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

impl Hours {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        text.parse::<Cron>().map_or_else(|error| error.to_string(), |cron| cron.to_string())
    }

    #[test]
    fn equal_preferences_have_one_normal_form() {
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
