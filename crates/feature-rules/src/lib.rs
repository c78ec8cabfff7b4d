//! Checks each preference against the compiled rules of its feature (W1, W7).
//!
//! [`FeatureRules`] joins the two halves of a [`FeatureDefinition`]: the JSON Schema of the
//! overrides, and the policy on when a preference may fire. A crate of its own because JSON Schema
//! costs build time that the vocabulary should not.
//!
//! A definition comes from outside, and its schema runs at each write. `bounds` limits what a
//! schema may cost, so that none can stop the service (W5).

mod bounds;
mod schema;

use cohort_preferences::{Defaults, FeatureDefinition, Invalid, Labels, Policy, Preference};
use serde_json::{Map, Value};

use crate::schema::OverridesSchema;

/// The rules of one feature: its schema, its policy, and the defaults that fill what a user does
/// not state.
#[derive(Debug, Clone)]
pub struct FeatureRules {
    schema: Option<OverridesSchema>,
    policy: Policy,
    defaults: Defaults,
}

impl FeatureRules {
    /// Compiles a definition.
    ///
    /// Fails if the schema is invalid, too large or too costly, or if the defaults break the
    /// feature's own rules. Each error has a pointer into the definition.
    ///
    /// The defaults are checked as those of a tenant without labels. Defaults without overrides are
    /// not checked against the schema: what it requires is then left to the users.
    pub fn compile(definition: &FeatureDefinition) -> Result<Self, Invalid> {
        let schema = definition
            .schema
            .as_ref()
            .map(|schema| OverridesSchema::compile(schema, "/schema"))
            .transpose()?;
        let rules = Self {
            schema,
            policy: definition.policy.clone().unwrap_or_default(),
            defaults: definition.defaults(),
        };
        if let Some(defaults) = &definition.default_preferences {
            rules.check_defaults(defaults.meant())?;
        }
        Ok(rules)
    }

    fn check_defaults(&self, defaults: &Preference) -> Result<(), Invalid> {
        let pointer = "/default_preferences";
        let policy = self.policy.check(defaults, &Defaults::default(), &Labels::default(), pointer);
        let schema = if defaults.template_overrides.is_empty() {
            Ok(())
        } else {
            self.check_overrides(defaults, pointer)
        };
        both(policy, schema)
    }

    /// Checks whether a tenant with these labels may have this preference. Each error names a field
    /// that breaks the schema or the policy, by its pointer under `pointer`.
    ///
    /// The defaults fill what the user does not state (T12). What neither states is not checked.
    pub fn check(
        &self,
        preference: &Preference,
        labels: &Labels,
        pointer: &str,
    ) -> Result<(), Invalid> {
        both(
            self.policy.check(preference, &self.defaults, labels, pointer),
            self.check_overrides(preference, pointer),
        )
    }

    fn check_overrides(&self, preference: &Preference, pointer: &str) -> Result<(), Invalid> {
        let Some(schema) = &self.schema else { return Ok(()) };
        schema.check(
            &self.merged(&preference.template_overrides),
            &format!("{pointer}/template_overrides"),
        )
    }

    /// Lays the overrides over those of the defaults, key by key (T12).
    fn merged(&self, overrides: &Map<String, Value>) -> Value {
        let layers =
            self.defaults.0.iter().rev().map(|layer| &layer.template_overrides).chain([overrides]);
        Value::Object(layers.flatten().map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

/// Joins the errors of both.
fn both(first: Result<(), Invalid>, second: Result<(), Invalid>) -> Result<(), Invalid> {
    match (first, second) {
        (Err(Invalid(mut errors)), Err(Invalid(more))) => {
            errors.extend(more);
            Err(Invalid(errors))
        }
        (first, second) => first.and(second),
    }
}
