//! Reads a preference from JSON, exactly, and names every field that is wrong (W1).

use serde_json::Value;

use super::day::{is_used, read_day};
use super::stated::Preference;
use crate::day::Day;
use crate::frequency::Frequency;
use crate::invalid::{Invalid, child};
use crate::reader::Reader;

/// The fields of a preference, in the order of T1.
const FIELDS: [&str; 10] = [
    "enabled",
    "frequency",
    "preferred_time",
    "preferred_day",
    "anchor_date",
    "cron",
    "timezone",
    "template_overrides",
    "snoozed_until",
    "skip_next",
];

impl Preference {
    /// Reads a preference that stands at `pointer` of what was sent; names every field that is
    /// wrong (W1).
    ///
    /// A field that the frequency does not use is refused (T1), and so are fields unknown to T1.
    pub fn from_json(value: &Value, pointer: &str) -> Result<Self, Invalid> {
        let mut reader = Reader::of(value, pointer, "a preference as an object")?;
        reader.refuse_unknown(&FIELDS);
        let frequency = reader.text("frequency");
        let preference = Self {
            enabled: reader.typed("enabled", "true or false", Value::as_bool),
            frequency,
            preferred_time: reader.text("preferred_time"),
            preferred_day: reader.day(frequency),
            anchor_date: reader.typed("anchor_date", "a date YYYY-MM-DD", |value| {
                value.as_str().filter(|text| text.len() == 10)?.parse().ok()
            }),
            cron: reader.text("cron"),
            timezone: reader.text("timezone"),
            template_overrides: reader
                .typed("template_overrides", "an object", |value| value.as_object().cloned())
                .unwrap_or_default(),
            snoozed_until: reader.typed(
                "snoozed_until",
                "an instant such as 2026-12-24T00:00:00Z (RFC 3339)",
                |value| value.as_str()?.parse().ok(),
            ),
            skip_next: reader.text("skip_next"),
        };
        reader.refuse_unused(preference.frequency);
        reader.errors.into_result(preference)
    }
}

/// What only a preference's fields know: which of them the frequency uses.
impl Reader<'_> {
    fn refuse_unused(&mut self, frequency: Option<Frequency>) {
        // A frequency that could not be read says nothing about the other fields.
        if frequency.is_none() && self.fields.contains_key("frequency") {
            return;
        }
        for field in self.fields.keys().filter(|field| !is_used(field, frequency)) {
            let detail = match frequency {
                Some(frequency) => format!("not used by the frequency {frequency}"),
                None => "needs a frequency that uses it".into(),
            };
            self.errors.add(child(self.pointer, field), detail);
        }
    }

    fn day(&mut self, frequency: Option<Frequency>) -> Option<Day> {
        if !is_used("preferred_day", frequency) {
            return None;
        }
        let expected = match frequency {
            Some(Frequency::Monthly) => "a day from 1 to 31 or \"last\"",
            _ => "a weekday (monday to sunday) or a list of them",
        };
        self.typed("preferred_day", expected, |value| read_day(value, frequency))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(value: &Value) -> Vec<String> {
        match Preference::from_json(value, "") {
            Ok(_) => Vec::new(),
            Err(Invalid(fields)) => fields.into_iter().map(|field| field.pointer).collect(),
        }
    }

    #[test]
    fn each_wrong_field_is_named_by_its_pointer() {
        assert_eq!(
            pointers(&json!({"frequency": "daily", "preferred_time": "25:00"})),
            ["/preferred_time"]
        );
        assert_eq!(
            pointers(&json!({"frequency": "monthly", "preferred_day": 32})),
            ["/preferred_day"]
        );
        assert_eq!(pointers(&json!({"timezone": "Mars/Olympus"})), ["/timezone"]);
        assert_eq!(pointers(&json!({"frequency": "fortnightly"})), ["/frequency"]);
        assert_eq!(pointers(&json!({"a/b~c": 1})), ["/a~1b~0c"]);
        assert_eq!(
            pointers(&json!({"enabled": null, "preferred_time": null})),
            ["/enabled", "/preferred_time"]
        );
        assert_eq!(
            pointers(&json!({"enabled": "yes", "cron": "x", "frequency": "cron"})),
            ["/enabled", "/cron"]
        );
        assert_eq!(pointers(&json!([])), [""]);
    }

    #[test]
    fn a_field_that_the_frequency_does_not_use_is_refused() {
        assert_eq!(
            pointers(&json!({"frequency": "daily", "preferred_day": "monday"})),
            ["/preferred_day"]
        );
        assert_eq!(
            pointers(&json!({"frequency": "cron", "cron": "0 9 * * *", "preferred_time": "09:00"})),
            ["/preferred_time"]
        );
        assert_eq!(
            pointers(&json!({"frequency": "weekly", "anchor_date": "2026-01-05"})),
            ["/anchor_date"]
        );
        assert_eq!(pointers(&json!({"preferred_day": "monday"})), ["/preferred_day"]);
        assert_eq!(
            pointers(&json!({"frequency": "weekly", "preferred_day": 3})),
            ["/preferred_day"]
        );
        assert_eq!(
            pointers(&json!({"frequency": "monthly", "preferred_day": "monday"})),
            ["/preferred_day"]
        );
    }
}
