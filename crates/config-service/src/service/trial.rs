//! Tries a definition on what is stored before it is registered (W7).

use cohort_feature_rules::FeatureRules;
use cohort_preferences::{FeatureDefinition, FeatureType, FieldError, Labels, Preference};
use serde_json::Value;

use super::config_service::ConfigService;
use crate::error::Result;

/// Preferences that are tried out together.
const PREFERENCES_A_TRIAL: usize = 1_000;

/// A definition that is tried on what is stored before it is registered.
pub(crate) struct Trial {
    feature: FeatureType,
    rules: FeatureRules,
}

/// A page of a trial.
pub(crate) struct TrialPage {
    /// Preferences that were looked at.
    pub(crate) looked_at: u64,
    /// Those that the definition would not allow.
    pub(crate) broken: Vec<Broken>,
    /// Where to go on; `None` at the end.
    pub(crate) next: Option<u64>,
}

/// A stored preference that a definition would not allow.
pub(crate) struct Broken {
    /// Whose.
    pub(crate) tenant_id: String,
    /// Which version of it.
    pub(crate) version: u64,
    /// What is wrong.
    pub(crate) errors: Vec<FieldError>,
}

impl Trial {
    fn look_at(&self, json: &str, labels: &Labels) -> Result<(), Vec<FieldError>> {
        let value: Value = serde_json::from_str(json).unwrap_or(Value::Null);
        let preference = Preference::from_json(&value, "").map_err(|invalid| invalid.0)?;
        self.rules.check(&preference, labels, "").map_err(|invalid| invalid.0)
    }
}

impl ConfigService {
    /// Compiles a definition to try on what is stored; nothing is registered.
    pub(crate) fn trial(feature: FeatureType, value: &Value) -> Result<Trial> {
        let rules = FeatureRules::compile(&FeatureDefinition::from_json(value)?)?;
        Ok(Trial { feature, rules })
    }

    /// Tries it on the next stored preferences, behind the tenant of this number.
    pub(crate) async fn try_out(&self, trial: &Trial, after: u64) -> Result<TrialPage> {
        let stored = self.0.store.stated(&trial.feature, after, PREFERENCES_A_TRIAL).await?;
        let next =
            stored.last().filter(|_| stored.len() == PREFERENCES_A_TRIAL).map(|last| last.number);
        let looked_at = stored.len() as u64;
        let broken = stored.into_iter().filter_map(|stored| {
            let errors = trial.look_at(&stored.json, &stored.profile.labels).err()?;
            Some(Broken {
                tenant_id: stored.tenant_id.to_string(),
                version: stored.version,
                errors,
            })
        });
        Ok(TrialPage { looked_at, broken: broken.collect(), next })
    }
}
