//! Preferences as users state them, and the specification's document that holds them (T1).

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::cron::Cron;
use crate::day::{Day, MonthDay, Weekdays};
use crate::frequency::Frequency;
use crate::group::StatedGroup;
use crate::id::{ConfigKey, FeatureType, TenantId};
use crate::invalid::{Invalid, child, shown};
use crate::nominal::NominalTime;
use crate::reader::Reader;
use crate::time_key::{Parity, TimeKey};
use crate::time_of_day::TimeOfDay;
use crate::zone::Zone;

/// The `config_key` of the document that is validated and grouped.
pub const FEATURE_PREFERENCES: &str = "feature_preferences";

/// One user's settings for one feature (T1). `None` where the user stated nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preference {
    /// Whether the feature runs for this user at all; not stated means yes. In defaults it has no
    /// meaning.
    pub enabled: Option<bool>,
    /// How often.
    pub frequency: Option<Frequency>,
    /// At what local time; of an hourly preference only the minute counts.
    pub preferred_time: Option<TimeOfDay>,
    /// On which weekdays (weekly, biweekly) or day of the month (monthly).
    pub preferred_day: Option<Day>,
    /// Any date in a week that a biweekly preference fires in: sets parity, not a start (T4).
    pub anchor_date: Option<Date>,
    /// When a cron preference fires.
    pub cron: Option<Cron>,
    /// On whose clock.
    pub timezone: Option<Zone>,
    /// What the handler should do differently for this user.
    pub template_overrides: Map<String, Value>,
    /// Occurrences before this instant are skipped.
    pub snoozed_until: Option<Timestamp>,
    /// The occurrence of this nominal time is skipped.
    pub skip_next: Option<NominalTime>,
}

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

    /// Whether the feature runs for this user at all.
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// The group that this preference states; a zone not stated is the tenant's own (T12).
    pub fn stated_group(&self, tenant_timezone: Option<&Zone>) -> StatedGroup {
        let day = self.preferred_day_for(self.frequency);
        let time = self.preferred_time;
        let time_key = match self.frequency {
            Some(Frequency::Hourly) => {
                time.map_or(TimeKey::Unstated, |time| TimeKey::Minute(time.minute()))
            }
            Some(Frequency::Daily) | None => time.map_or(TimeKey::Unstated, TimeKey::Time),
            Some(Frequency::Weekly | Frequency::Monthly) => TimeKey::Day { day, time },
            Some(Frequency::Biweekly) => {
                TimeKey::Alternating { day, time, parity: self.anchor_date.map(Parity::of_week) }
            }
            Some(Frequency::Cron) => self.cron.map_or(TimeKey::Unstated, TimeKey::Cron),
        };
        StatedGroup::new(
            self.frequency,
            time_key,
            self.timezone.as_ref().or(tenant_timezone).cloned(),
        )
        .expect("each frequency is given the key of its own kind just above")
    }

    /// The day, if it is of the kind that the frequency asks for: a preference read from JSON has
    /// no other.
    pub(crate) fn preferred_day_for(&self, frequency: Option<Frequency>) -> Option<Day> {
        self.preferred_day.filter(|day| frequency.is_some_and(|frequency| day.suits(frequency)))
    }

    /// `current` changed by a JSON Merge Patch (RFC 7396). A patch that changes the frequency drops
    /// the fields that the new one does not use (T1), but for those that the patch itself sets,
    /// which are then refused as such.
    pub fn merge_patch(current: &Value, patch: &Value) -> Value {
        let mut merged = current.clone();
        merge(&mut merged, patch);
        let (Some(merged_fields), Some(patch_fields)) = (merged.as_object_mut(), patch.as_object())
        else {
            return merged;
        };
        if patch_fields.contains_key("frequency") {
            let frequency = merged_fields
                .get("frequency")
                .and_then(Value::as_str)
                .and_then(|text| text.parse().ok());
            merged_fields
                .retain(|field, _| patch_fields.contains_key(field) || is_used(field, frequency));
            drop_day_of_other_kind(merged_fields, patch_fields, frequency);
        }
        merged
    }
}

/// Weekly and monthly both use `preferred_day`, but not the same kind of day.
fn drop_day_of_other_kind(
    merged: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    frequency: Option<Frequency>,
) {
    let fits = merged.get("preferred_day").is_none_or(|day| read_day(day, frequency).is_some());
    if !fits && !patch.contains_key("preferred_day") {
        merged.shift_remove("preferred_day");
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let fields = target.as_object_mut().expect("made an object just above");
    for (name, value) in patch {
        if value.is_null() {
            fields.shift_remove(name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Whether this frequency (`None`: not stated) uses the field.
fn is_used(field: &str, frequency: Option<Frequency>) -> bool {
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

fn read_day(value: &Value, frequency: Option<Frequency>) -> Option<Day> {
    match frequency {
        Some(Frequency::Monthly) => match value {
            Value::Number(number) => number
                .as_u64()
                .and_then(|day| u8::try_from(day).ok())
                .and_then(MonthDay::new)
                .map(Day::Month),
            Value::String(text) if text == "last" => Some(Day::Month(MonthDay::Last)),
            _ => None,
        },
        _ => match value {
            Value::String(name) => Weekdays::named(name),
            Value::Array(names) => names
                .iter()
                .map(|name| Weekdays::named(name.as_str()?))
                .reduce(|set, day| Some(set?.and(day?)))?,
            _ => None,
        }
        .map(Day::Weekdays),
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

/// The specification's document: one tenant's preferences, by feature.
#[derive(Debug, Clone)]
pub struct PreferenceDocument {
    /// Whose it is, if the document says so.
    pub tenant_id: Option<TenantId>,
    /// Each feature's preference as it was sent and as it is meant.
    pub features: BTreeMap<FeatureType, (Value, Preference)>,
}

/// Why a text is no preference document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is no JSON; serde names line and column.
    #[error("not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Fields are wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl PreferenceDocument {
    /// Reads the specification's document, exactly: unknown fields are refused, and so is any
    /// `config_key` but `feature_preferences`. `tenant_id` and `config_key` may be left out where
    /// the address already says them.
    pub fn from_json(value: &Value) -> Result<Self, Invalid> {
        let mut reader = Reader::of(value, "", "a preference document as an object")?;
        reader.refuse_unknown(&["tenant_id", "config_key", "config_value"]);
        let tenant_id = reader.text("tenant_id");
        if let Some(key) =
            reader.text::<ConfigKey>("config_key").filter(|key| key.as_str() != FEATURE_PREFERENCES)
        {
            reader.errors.add(
                "/config_key".into(),
                format!("expected {FEATURE_PREFERENCES:?}, got {:?}", key.as_str()),
            );
        }
        let mut features = BTreeMap::new();
        match reader.fields.get("config_value") {
            Some(Value::Object(stated)) => {
                for (name, preference) in stated {
                    match read_feature(name, preference) {
                        Ok((feature, meant)) => {
                            _ = features.insert(feature, (preference.clone(), meant))
                        }
                        Err(invalid) => reader.errors.extend(invalid),
                    }
                }
            }
            Some(other) => reader.errors.add(
                "/config_value".into(),
                format!("expected an object of features, got {}", shown(other)),
            ),
            None => {
                reader.errors.add("/config_value".into(), "missing: expected an object of features")
            }
        }
        reader.errors.into_result(Self { tenant_id, features })
    }
}

fn read_feature(name: &str, preference: &Value) -> Result<(FeatureType, Preference), Invalid> {
    let pointer = child("/config_value", name);
    let feature = name
        .parse()
        .map_err(|error| Invalid::one(&pointer, format!("no feature type: {error}")))?;
    Ok((feature, Preference::from_json(preference, &pointer)?))
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

    fn group(value: Value) -> String {
        Preference::from_json(&value, "").expect("valid").stated_group(None).to_string()
    }

    #[test]
    fn the_documents_of_the_specification_are_read_as_they_stand() {
        let document = json!({
            "tenant_id": "user123",
            "config_key": "feature_preferences",
            "config_value": {
                "instagram_posts": {
                    "enabled": true, "frequency": "daily", "preferred_time": "09:00",
                    "template_overrides": {"tone": "professional", "length": "medium"}
                },
                "etsy_analysis": {
                    "enabled": true, "frequency": "weekly", "preferred_day": "monday",
                    "preferred_time": "10:00",
                    "template_overrides": {"focus_areas": ["pricing", "description"]}
                }
            }
        });
        let document = PreferenceDocument::from_json(&document).expect("valid");
        assert_eq!(document.tenant_id.map(|id| id.to_string()), Some("user123".into()));
        let groups: Vec<_> = document
            .features
            .values()
            .map(|(_, preference)| preference.stated_group(None).to_string())
            .collect();
        assert_eq!(groups, ["weekly:monday:10:00 -", "daily:09:00 -"]);
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

    #[test]
    fn equal_wishes_state_one_group() {
        let a =
            group(json!({"frequency": "weekly", "preferred_day": ["thursday", "monday", "monday"],
                "timezone": "europe/berlin"}));
        let b = group(json!({"frequency": "weekly", "preferred_day": ["monday", "thursday"],
                "timezone": "Europe/Berlin"}));
        assert_eq!(a, b);
        assert_eq!(a, "weekly:monday,thursday:- Europe/Berlin");
        assert_eq!(
            group(json!({"frequency": "biweekly", "anchor_date": "2026-01-07"})),
            "biweekly:-:-~0 -"
        );
        assert_eq!(
            group(json!({"frequency": "hourly", "preferred_time": "13:20"})),
            "hourly::20 -"
        );
        assert_eq!(group(json!({})), "-:- -");
    }

    #[test]
    fn a_patch_that_changes_the_frequency_drops_what_the_new_one_does_not_use() {
        let weekly =
            json!({"frequency": "weekly", "preferred_day": "monday", "preferred_time": "10:00"});
        let daily = Preference::merge_patch(&weekly, &json!({"frequency": "daily"}));
        assert_eq!(daily, json!({"frequency": "daily", "preferred_time": "10:00"}));
        let monthly = Preference::merge_patch(&weekly, &json!({"frequency": "monthly"}));
        assert_eq!(monthly, json!({"frequency": "monthly", "preferred_time": "10:00"}));
        let refused = Preference::merge_patch(
            &weekly,
            &json!({"frequency": "daily", "preferred_day": "friday"}),
        );
        assert_eq!(pointers(&refused), ["/preferred_day"]);
    }

    #[test]
    fn a_patch_merges_overrides_key_by_key_and_null_removes() {
        let current =
            json!({"frequency": "daily", "template_overrides": {"tone": "dry", "length": "short"}});
        let patched = Preference::merge_patch(
            &current,
            &json!({"template_overrides": {"tone": null, "emoji": true}}),
        );
        assert_eq!(
            patched,
            json!({"frequency": "daily", "template_overrides": {"length": "short", "emoji": true}})
        );
    }
}
