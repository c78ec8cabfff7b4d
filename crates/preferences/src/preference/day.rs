//! Which fields a frequency uses, and which kind of day it asks for (T1).

use serde_json::Value;

use crate::day::{Day, MonthDay, Weekdays};
use crate::frequency::Frequency;

/// Whether this frequency (`None`: not stated) uses the field.
pub(super) fn is_used(field: &str, frequency: Option<Frequency>) -> bool {
    match field {
        "preferred_time" => frequency != Some(Frequency::Cron),
        "preferred_day" => {
            matches!(frequency, Some(Frequency::Weekly | Frequency::Biweekly | Frequency::Monthly))
        }
        "anchor_date" => frequency == Some(Frequency::Biweekly),
        "cron" => frequency == Some(Frequency::Cron),
        _ => true,
    }
}

/// The `preferred_day` that a JSON value states; `None` if it is not of the kind that the frequency
/// asks for.
pub(super) fn read_day(value: &Value, frequency: Option<Frequency>) -> Option<Day> {
    match frequency {
        Some(Frequency::Monthly) => read_month_day(value).map(Day::Month),
        _ => read_weekdays(value).map(Day::Weekdays),
    }
}

fn read_month_day(value: &Value) -> Option<MonthDay> {
    match value {
        Value::Number(number) => MonthDay::new(u8::try_from(number.as_u64()?).ok()?),
        Value::String(text) if text == "last" => Some(MonthDay::Last),
        _ => None,
    }
}

fn read_weekdays(value: &Value) -> Option<Weekdays> {
    match value {
        Value::String(name) => Weekdays::named(name),
        Value::Array(names) => names
            .iter()
            .map(|name| Weekdays::named(name.as_str()?))
            .reduce(|set, day| Some(set?.and(day?)))?,
        _ => None,
    }
}
