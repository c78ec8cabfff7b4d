//! Whether a user still wants the work, asked before each attempt (M2).

use cohort_preferences::{NominalTime, Preference, StatedGroup};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use cohort_ledger::{Firing, SkippedReason, UsedSettings};

/// What an attempt needs of a preference; what decides when it fires does not matter any more.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Settings {
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    snoozed_until: Option<Timestamp>,
    #[serde(default)]
    skip_next: Option<NominalTime>,
    #[serde(default)]
    template_overrides: Map<String, Value>,
}

fn yes() -> bool {
    true
}

impl Settings {
    /// Reads a stored preference.
    pub(super) fn read(preference: &RawValue) -> Result<Self, serde_json::Error> {
        serde_json::from_str(preference.get())
    }

    /// The settings of a tenant who stated nothing and is served all the same (T13).
    pub(super) fn of_nothing_stated() -> Self {
        Self { enabled: true, snoozed_until: None, skip_next: None, template_overrides: Map::new() }
    }

    /// The settings that a first attempt used: the user had agreed then, and nothing newer is
    /// known.
    pub(super) fn of_first_attempt(used: &UsedSettings) -> Self {
        Self { template_overrides: used.template_overrides.clone(), ..Self::of_nothing_stated() }
    }

    /// Why the user is to be skipped, if so (M2).
    pub(super) fn objection(&self, occurrence: &Firing) -> Option<SkippedReason> {
        if !self.enabled {
            return Some(SkippedReason::Disabled);
        }
        if self.snoozed_until.is_some_and(|until| occurrence.at < until) {
            return Some(SkippedReason::Snoozed);
        }
        (self.skip_next.is_some() && self.skip_next == occurrence.nominal.nominal())
            .then_some(SkippedReason::SkippedByUser)
    }

    /// The user's overrides over the defaults, key by key (T12).
    pub(super) fn overrides(self, defaults: &Map<String, Value>) -> Map<String, Value> {
        if defaults.is_empty() {
            return self.template_overrides;
        }
        let mut merged = defaults.clone();
        merged.extend(self.template_overrides);
        merged
    }
}

/// Whether a preference certainly states one of these groups. It is not certain for a preference
/// that leaves the zone to the tenant's own.
pub(super) fn states_any(preference: &RawValue, groups: &[StatedGroup]) -> bool {
    let value = serde_json::from_str(preference.get()).unwrap_or(Value::Null);
    Preference::from_json(&value, "")
        .is_ok_and(|preference| groups.contains(&preference.stated_group(None)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(value: &Value) -> Settings {
        let text = serde_json::value::to_raw_value(value).expect("JSON");
        Settings::read(&text).expect("settings")
    }

    fn objection(value: &Value) -> Option<SkippedReason> {
        let occurrence = Firing {
            at: "2026-12-07T09:00:00Z".parse().expect("instant"),
            nominal: "2026-12-07T10:00".parse().expect("nominal"),
        };
        settings(value).objection(&occurrence)
    }

    #[test]
    fn a_user_who_has_since_said_no_is_skipped_with_that_reason() {
        assert_eq!(objection(&json!({"frequency": "daily"})), None);
        assert_eq!(objection(&json!({"enabled": false})), Some(SkippedReason::Disabled));
        assert_eq!(
            objection(&json!({"snoozed_until": "2026-12-07T09:00:01Z"})),
            Some(SkippedReason::Snoozed)
        );
        assert_eq!(objection(&json!({"snoozed_until": "2026-12-07T09:00:00Z"})), None);
        assert_eq!(
            objection(&json!({"skip_next": "2026-12-07T10:00"})),
            Some(SkippedReason::SkippedByUser)
        );
        assert_eq!(objection(&json!({"skip_next": "2026-12-08T10:00"})), None);
    }

    #[test]
    fn overrides_lie_over_the_defaults_key_by_key() {
        let defaults = json!({"tone": "plain", "length": "short"});
        let merged = settings(&json!({"template_overrides": {"tone": "dry"}}))
            .overrides(defaults.as_object().expect("object"));
        assert_eq!(Value::Object(merged), json!({"tone": "dry", "length": "short"}));
    }
}
