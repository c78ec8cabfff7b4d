//! The hours of the day at which a preference may fire.

use std::fmt;

use serde_json::{Value, json};

use crate::invalid::Invalid;
use crate::reader::Reader;
use crate::time_of_day::{MINUTES_A_DAY, TimeOfDay};

/// Local times of day from one to another, both included; past midnight where `from` is later than
/// `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoursOfDay {
    /// The first time of day.
    pub from: TimeOfDay,
    /// The last time of day.
    pub to: TimeOfDay,
}

impl HoursOfDay {
    pub(super) fn from_json(value: &Value, pointer: &str) -> Result<Self, Invalid> {
        let mut reader =
            Reader::of(value, pointer, "hours as {\"from\":\"08:00\",\"to\":\"20:00\"}")?;
        reader.refuse_unknown(&["from", "to"]);
        reader.require(&["from", "to"]);
        let (from, to) = (reader.text("from"), reader.text("to"));
        reader.errors.into_result(())?;
        let (from, to) =
            from.zip(to).expect("a time that is missing or wrong was refused just above");
        Ok(Self { from, to })
    }

    pub(super) fn to_json(self) -> Value {
        json!({"from": self.from.to_string(), "to": self.to.to_string()})
    }

    /// Whether the time of day is one of them.
    pub fn contain(self, time: TimeOfDay) -> bool {
        if self.from <= self.to {
            self.from <= time && time <= self.to
        } else {
            time <= self.to || self.from <= time
        }
    }

    /// Whether every time of day is one of them.
    pub fn is_whole_day(self) -> bool {
        (self.to.minute_of_day() + 1) % MINUTES_A_DAY == self.from.minute_of_day()
    }
}

impl fmt::Display for HoursOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.to)
    }
}
