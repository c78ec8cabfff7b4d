//! Limits of what users may choose, as they are stated.

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::hours::HoursOfDay;
use crate::duration::parse_duration;
use crate::frequency::Frequency;
use crate::reader::Reader;
use crate::time_of_day::MINUTES_A_DAY;

/// Limits of what users may choose; what is `None` is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// The frequencies that are allowed; at least one.
    pub frequencies: Option<Vec<Frequency>>,
    /// The least time between two occurrences of one user.
    pub least_interval: Option<SignedDuration>,
    /// Each time of day at which a user's preference fires is a multiple of so many minutes after
    /// midnight.
    pub slot_minutes: Option<u16>,
    /// The times of day at which a preference may fire.
    pub hours: Option<HoursOfDay>,
}

impl Limits {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            frequencies: reader.typed(
                "frequencies",
                "a list of hourly, daily, weekly, biweekly, monthly, cron",
                read_frequencies,
            ),
            least_interval: reader.typed("least_interval", "a duration such as \"24h\"", |value| {
                parse_duration(value.as_str()?).ok()
            }),
            slot_minutes: reader.typed(
                "slot_minutes",
                "minutes that divide a day, such as 15",
                read_slot,
            ),
            hours: reader.nested("hours", HoursOfDay::from_json),
        }
    }

    pub(super) fn to_fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut add = |name: &str, limit: Option<Value>| {
            fields.extend(limit.map(|limit| (name.to_owned(), limit)));
        };
        add("frequencies", self.frequencies.as_ref().map(|allowed| json!(allowed)));
        add("least_interval", self.least_interval.map(|least| format!("{least:#}").into()));
        add("slot_minutes", self.slot_minutes.map(Value::from));
        add("hours", self.hours.map(HoursOfDay::to_json));
        fields
    }

    #[must_use]
    pub(super) fn replaced_by(self, special: &Self) -> Self {
        Self {
            frequencies: special.frequencies.clone().or(self.frequencies),
            least_interval: special.least_interval.or(self.least_interval),
            slot_minutes: special.slot_minutes.or(self.slot_minutes),
            hours: special.hours.or(self.hours),
        }
    }
}

fn read_frequencies(value: &Value) -> Option<Vec<Frequency>> {
    let names = value.as_array().filter(|names| !names.is_empty())?;
    let mut allowed: Vec<Frequency> =
        names.iter().map(|name| name.as_str()?.parse().ok()).collect::<Option<_>>()?;
    allowed.sort();
    allowed.dedup();
    Some(allowed)
}

/// Slots divide the day, so that they begin anew at each midnight.
fn read_slot(value: &Value) -> Option<u16> {
    let minutes = u16::try_from(value.as_u64()?).ok().filter(|minutes| *minutes > 0)?;
    MINUTES_A_DAY.is_multiple_of(minutes).then_some(minutes)
}
