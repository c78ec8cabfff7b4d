//! The specification's document, which holds one tenant's preferences (T1).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::id::{ConfigKey, FeatureType, TenantId};
use crate::invalid::{Invalid, child, shown};
use crate::preference::Preference;
use crate::reader::Reader;

/// The `config_key` of the document that is validated and grouped.
pub const FEATURE_PREFERENCES: &str = "feature_preferences";

/// The specification's document: one tenant's preferences, by feature.
#[derive(Debug, Clone)]
pub struct PreferenceDocument {
    /// Whose it is, if the document says so.
    pub tenant_id: Option<TenantId>,
    /// Each feature's preference as it was sent and as it is meant.
    pub features: BTreeMap<FeatureType, (Value, Preference)>,
}

/// Why a text is not a preference document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is not JSON; serde names line and column.
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
        refuse_other_keys(&mut reader);
        let features = read_features(&mut reader);
        reader.errors.into_result(Self { tenant_id, features })
    }
}

fn refuse_other_keys(reader: &mut Reader<'_>) {
    let Some(key) = reader.text::<ConfigKey>("config_key") else { return };
    if key.as_str() != FEATURE_PREFERENCES {
        let detail = format!("expected {FEATURE_PREFERENCES:?}, got {:?}", key.as_str());
        reader.errors.add("/config_key".into(), detail);
    }
}

fn read_features(reader: &mut Reader<'_>) -> BTreeMap<FeatureType, (Value, Preference)> {
    let mut features = BTreeMap::new();
    let stated = match reader.fields.get("config_value") {
        Some(Value::Object(stated)) => stated,
        Some(other) => {
            let detail = format!("expected an object of features, got {}", shown(other));
            reader.errors.add("/config_value".into(), detail);
            return features;
        }
        None => {
            let detail = "missing: expected an object of features";
            reader.errors.add("/config_value".into(), detail);
            return features;
        }
    };
    for (name, preference) in stated {
        match read_feature(name, preference) {
            Ok((feature, meant)) => {
                features.insert(feature, (preference.clone(), meant));
            }
            Err(invalid) => reader.errors.extend(invalid),
        }
    }
    features
}

fn read_feature(name: &str, preference: &Value) -> Result<(FeatureType, Preference), Invalid> {
    let pointer = child("/config_value", name);
    let feature = name
        .parse()
        .map_err(|error| Invalid::one(&pointer, format!("not a feature type: {error}")))?;
    Ok((feature, Preference::from_json(preference, &pointer)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
}
