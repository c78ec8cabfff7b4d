//! Changes a preference by a JSON Merge Patch (RFC 7396).

use serde_json::{Map, Value};

use super::day::{is_used, read_day};
use super::stated::Preference;
use crate::frequency::Frequency;

impl Preference {
    /// `current` changed by a JSON Merge Patch (RFC 7396).
    ///
    /// A patch that changes the frequency drops the fields that the new one does not use (T1). It
    /// does not drop those that the patch itself sets: they are refused when the result is read.
    pub fn merge_patch(current: &Value, patch: &Value) -> Value {
        let mut merged = current.clone();
        merge(&mut merged, patch);
        if let (Some(merged), Some(patch)) = (merged.as_object_mut(), patch.as_object())
            && patch.contains_key("frequency")
        {
            drop_unused(merged, patch);
        }
        merged
    }
}

fn drop_unused(merged: &mut Map<String, Value>, patch: &Map<String, Value>) {
    let frequency = merged.get("frequency").and_then(Value::as_str);
    let frequency = frequency.and_then(|text| text.parse().ok());
    merged.retain(|field, _| patch.contains_key(field) || is_used(field, frequency));
    drop_day_of_other_kind(merged, patch, frequency);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invalid::Invalid;

    fn pointers(value: &Value) -> Vec<String> {
        match Preference::from_json(value, "") {
            Ok(_) => Vec::new(),
            Err(Invalid(fields)) => fields.into_iter().map(|field| field.pointer).collect(),
        }
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
