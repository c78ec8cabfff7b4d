//! Preferences as users and defaults state them, and what becomes of them by T12: written down
//! apart from the library's own.

use std::fmt::{self, Display};

use cohort_preferences::Zone;
use serde_json::{Map, Value, json};

use crate::oracle::{StatedCron, StatedHours, StatedPreference};

/// What a user or a default states of when; `None` where nothing.
#[derive(Clone, Default)]
pub(crate) struct Stated {
    pub(crate) frequency: Option<Frequency>,
    /// The minute of the day.
    pub(crate) time: Option<i64>,
    pub(crate) day: Option<Day>,
    pub(crate) zone: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frequency {
    Hourly,
    Daily,
    Weekly,
    Biweekly,
    Monthly,
    /// At a quarter past each hour of the 25th: follows the clock (T9).
    CronWild,
    /// At five past every sixth hour: follows the clock too.
    CronSteps,
    /// At half past two and half past twelve: fixed times (T6, T7).
    CronFixed,
}

/// A day of the kind that its frequency asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Day {
    /// Weekdays in order, Monday 0.
    Week(&'static [i64]),
    /// A day of the month.
    Month(i64),
    LastOfMonth,
}

/// A preference in which nothing is left open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) frequency: Frequency,
    time: i64,
    day: Day,
    pub(crate) zone: &'static str,
}

const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl Frequency {
    fn name(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Biweekly => "biweekly",
            Self::Monthly => "monthly",
            Self::CronWild | Self::CronSteps | Self::CronFixed => "cron",
        }
    }

    fn cron(self) -> Option<&'static str> {
        match self {
            Self::CronWild => Some("15 * 25 * *"),
            Self::CronSteps => Some("5 */6 * * *"),
            Self::CronFixed => Some("30 2,12 * * *"),
            _ => None,
        }
    }

    /// Whether the frequency names a date and a time on it, which a user is run on once (M6).
    pub(crate) fn is_dated(self) -> bool {
        self != Self::Hourly && self.cron().is_none()
    }

    /// The day of a frequency that uses none, and T12's last resort.
    fn usual_day(self) -> Day {
        if self == Self::Monthly { Day::Month(1) } else { Day::Week(&[0]) }
    }
}

impl fmt::Debug for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&Value::Object(self.to_json()), f)
    }
}

impl Stated {
    /// The preference fields, as they are sent.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            fields.extend(value.map(|value| (name.to_owned(), value)));
        };
        put("frequency", self.frequency.map(|frequency| json!(frequency.name())));
        put("cron", self.frequency.and_then(Frequency::cron).map(|cron| json!(cron)));
        put("preferred_time", self.time.map(|time| json!(clock(time))));
        put("preferred_day", self.day.map(Day::to_json));
        put("timezone", self.zone.map(|zone| json!(zone)));
        fields
    }

    /// T12: what is not stated comes from the defaults, strongest first; their day only if it was
    /// meant for this frequency.
    pub(crate) fn over(&self, defaults: &[Self]) -> Asked {
        let layers = || std::iter::once(self).chain(defaults);
        let frequency = layers()
            .find_map(|layer| layer.frequency)
            .expect("the job's defaults state a frequency");
        let of_this = |layer: &&Self| layer.frequency == Some(frequency);
        Asked {
            frequency,
            time: layers().find_map(|layer| layer.time).unwrap_or(9 * 60),
            day: layers()
                .filter(of_this)
                .find_map(|layer| layer.day)
                .unwrap_or(frequency.usual_day()),
            zone: layers().find_map(|layer| layer.zone).unwrap_or("UTC"),
        }
    }
}

impl Day {
    fn to_json(self) -> Value {
        match self {
            Self::Week(days) => days.iter().map(|day| WEEKDAYS[*day as usize]).collect(),
            Self::Month(day) => json!(day),
            Self::LastOfMonth => json!("last"),
        }
    }

    fn key(self) -> String {
        match self {
            Self::Week(days) => {
                days.iter().map(|day| WEEKDAYS[*day as usize]).collect::<Vec<_>>().join(",")
            }
            Self::Month(day) => day.to_string(),
            Self::LastOfMonth => "last".into(),
        }
    }
}

impl Asked {
    /// The group's key and zone: `weekly:monday:10:00 Europe/Berlin` (T10).
    pub(crate) fn group(&self) -> String {
        let time = clock(self.time);
        let key = match self.frequency {
            Frequency::Hourly => format!(":{:02}", self.time % 60),
            Frequency::Daily => time,
            Frequency::Weekly | Frequency::Monthly => format!("{}:{time}", self.day.key()),
            Frequency::Biweekly => format!("{}:{time}~0", self.day.key()),
            Frequency::CronWild | Frequency::CronSteps | Frequency::CronFixed => {
                self.frequency.cron().unwrap_or_default().into()
            }
        };
        format!("{}:{key} {}", self.frequency.name(), self.zone)
    }

    /// The same in the oracle's words.
    pub(crate) fn preference(&self) -> StatedPreference {
        let cron = |minute: i64, hours, days| {
            StatedPreference::Cron(StatedCron {
                minutes: Some(vec![minute]),
                hours,
                days,
                months: None,
                weekdays: None,
            })
        };
        match (self.frequency, self.day) {
            (Frequency::Hourly, _) => StatedPreference::Hourly(self.time % 60),
            (Frequency::Daily, _) => StatedPreference::Daily(self.time),
            (Frequency::Weekly, Day::Week(days)) => {
                StatedPreference::Weekly(days.to_vec(), self.time)
            }
            (Frequency::Biweekly, Day::Week(days)) => {
                StatedPreference::Biweekly(days.to_vec(), self.time, MONDAY_1970_01_05)
            }
            (Frequency::Monthly, Day::Month(day)) => {
                StatedPreference::Monthly(Some(day), self.time)
            }
            (Frequency::Monthly, Day::LastOfMonth) => StatedPreference::Monthly(None, self.time),
            (Frequency::CronWild, _) => cron(15, StatedHours::Wildcard, Some(vec![25])),
            (Frequency::CronSteps, _) => cron(5, StatedHours::Step(6), None),
            (Frequency::CronFixed, _) => cron(30, StatedHours::Listed(vec![2, 12]), None),
            (frequency, day) => panic!("{day:?} is no day for {frequency:?}"),
        }
    }

    /// The rules of the zone.
    pub(crate) fn rules(&self) -> jiff::tz::TimeZone {
        self.zone.parse::<Zone>().expect("a zone").rules().clone()
    }
}

/// The day of the epoch, counted from 1970-01-01, that anchors biweekly preferences (T4).
const MONDAY_1970_01_05: i64 = 4;

fn clock(minute_of_day: i64) -> String {
    format!("{:02}:{:02}", minute_of_day / 60, minute_of_day % 60)
}
