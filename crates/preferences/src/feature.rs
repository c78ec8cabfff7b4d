//! The definition of a feature: what it is, what users may choose, and what holds where they choose
//! nothing.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::defaults::Defaults;
use crate::invalid::Invalid;
use crate::policy::Policy;
use crate::preference::Preference;
use crate::reader::Reader;

/// The most bytes of a description (W5).
const LONGEST_DESCRIPTION: usize = 2_000;

/// A feature as it is registered. Each part is well formed by itself. The crate `feature-rules`
/// checks whether the parts fit together and whether the schema can be used.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FeatureDefinition {
    /// What the feature does, for people; empty if not stated.
    pub description: String,
    /// JSON Schema 2020-12 of `template_overrides`; not checked here.
    pub schema: Option<Value>,
    /// What users may choose (W7).
    pub policy: Option<Policy>,
    /// What holds where a user states nothing (T12).
    pub default_preferences: Option<DefaultPreferences>,
}

/// Default preferences, as they were stated and as they are meant; `enabled` has no meaning in
/// them.
#[derive(Debug, Clone, PartialEq)]
pub struct DefaultPreferences {
    stated: Value,
    meant: Preference,
}

/// The default preferences of a feature from an instant on (T12).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureDefaults {
    /// They hold from here on, until those that were registered next.
    pub since: Timestamp,
    /// What was registered; `None` if it gives none.
    pub default_preferences: Option<DefaultPreferences>,
}

impl FeatureDefinition {
    /// Reads a definition, exactly; names every field that is wrong by its pointer (W1).
    pub fn from_json(value: &Value) -> Result<Self, Invalid> {
        let mut reader = Reader::of(value, "", "a feature's definition as an object")?;
        reader.refuse_unknown(&["description", "schema", "policy", "default_preferences"]);
        let definition = Self {
            description: reader
                .typed("description", "a text of at most 2,000 bytes", read_description)
                .unwrap_or_default(),
            schema: reader.typed("schema", "a JSON Schema as an object or boolean", read_schema),
            policy: reader.nested("policy", Policy::from_json),
            default_preferences: reader
                .nested("default_preferences", DefaultPreferences::from_json),
        };
        reader.errors.into_result(definition)
    }

    /// The definition as JSON, which reads back as itself; what was not stated is left out.
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        if !self.description.is_empty() {
            fields.insert("description".into(), self.description.as_str().into());
        }
        fields.extend(self.schema.clone().map(|schema| ("schema".into(), schema)));
        fields.extend(self.policy.as_ref().map(|policy| ("policy".into(), policy.to_json())));
        fields.extend(
            self.default_preferences
                .clone()
                .map(|defaults| ("default_preferences".into(), defaults.stated)),
        );
        Value::Object(fields)
    }

    /// The defaults as the one layer that the feature has (T12); none if it states none.
    pub fn defaults(&self) -> Defaults {
        Defaults(self.default_preferences.iter().map(|defaults| defaults.meant.clone()).collect())
    }
}

impl DefaultPreferences {
    /// Reads the default preferences that stand at `pointer` of what was sent (W1).
    pub fn from_json(stated: &Value, pointer: &str) -> Result<Self, Invalid> {
        Preference::from_json(stated, pointer).map(|meant| Self { stated: stated.clone(), meant })
    }

    /// What they mean.
    pub fn meant(&self) -> &Preference {
        &self.meant
    }
}

impl Serialize for DefaultPreferences {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.stated.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for DefaultPreferences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(&Value::deserialize(deserializer)?, "").map_err(serde::de::Error::custom)
    }
}

fn read_description(value: &Value) -> Option<String> {
    value.as_str().filter(|text| text.len() <= LONGEST_DESCRIPTION).map(str::to_owned)
}

fn read_schema(value: &Value) -> Option<Value> {
    (value.is_object() || value.is_boolean()).then(|| value.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(value: &Value) -> Vec<String> {
        match FeatureDefinition::from_json(value) {
            Ok(_) => Vec::new(),
            Err(Invalid(fields)) => fields.into_iter().map(|field| field.pointer).collect(),
        }
    }

    #[test]
    fn a_definition_reads_back_from_its_own_json() {
        let whole = json!({
            "description": "Posts for Instagram",
            "schema": {"properties": {"tone": {"enum": ["dry", "warm"]}}},
            "policy": {
                "frequencies": ["daily", "weekly"], "least_interval": "24h", "slot_minutes": 15,
                "hours": {"from": "08:00", "to": "20:00"},
                "by_label": [{"label": "plan:free", "frequencies": ["weekly"]}]
            },
            "default_preferences": {"frequency": "weekly", "preferred_day": "monday",
                "template_overrides": {"tone": "dry"}}
        });
        for definition in [whole, json!({}), json!({"schema": true, "policy": {}})] {
            assert_eq!(
                FeatureDefinition::from_json(&definition).expect("valid").to_json(),
                definition
            );
        }
    }

    #[test]
    fn each_wrong_field_is_named_by_its_pointer() {
        assert_eq!(pointers(&json!({"descripton": "x"})), ["/descripton"]);
        assert_eq!(
            pointers(&json!({"description": "x".repeat(2_001), "schema": "{}"})),
            ["/description", "/schema"]
        );
        assert_eq!(
            pointers(&json!({"schema": null, "policy": null, "default_preferences": null})).len(),
            3
        );
        assert_eq!(
            pointers(&json!({"default_preferences": {"frequency": "daily", "preferred_day": 1,
                    "preferred_time": "9"}})),
            ["/default_preferences/preferred_time", "/default_preferences/preferred_day"]
        );
        assert_eq!(
            pointers(&json!({"policy": {"slots": 15}, "schema": 1})),
            ["/schema", "/policy/slots"]
        );
        assert_eq!(pointers(&json!([])), [""]);
    }

    #[test]
    fn an_unknown_field_is_answered_with_the_nearest_known() {
        let Invalid(fields) = FeatureDefinition::from_json(&json!({"defaults_preferences": {}}))
            .expect_err("refused");
        assert!(fields[0].detail.contains("\"default_preferences\""), "{}", fields[0].detail);
    }
}
