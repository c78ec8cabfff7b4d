//! What features ask of preferences (W1, W7), compiled.

use std::collections::BTreeMap;

use cohort_feature_rules::FeatureRules;
use cohort_preferences::{Defaults, FeatureType, Invalid, Labels};

use crate::registry::Definition;
use crate::store::edit::{Admitted, Stated};

/// All registered features as they were at one moment.
#[derive(Default)]
pub(crate) struct Registry(BTreeMap<FeatureType, Registered>);

/// A feature and its rules.
pub(crate) struct Registered {
    /// As it was registered.
    pub(crate) definition: Definition,
    rules: FeatureRules,
}

impl Registry {
    pub(super) fn compile(definitions: Vec<Definition>) -> Self {
        let compiled =
            definitions.into_iter().filter_map(|definition| {
                match FeatureRules::compile(&definition.content) {
                    Ok(rules) => {
                        Some((definition.feature.clone(), Registered { definition, rules }))
                    }
                    Err(error) => {
                        tracing::error!(feature = %definition.feature, %error,
                    "a registered definition does not compile and refuses every preference");
                        None
                    }
                }
            });
        Self(compiled.collect())
    }

    /// Returns the registered features, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Registered> {
        self.0.values()
    }

    /// Returns a feature's registration, if it has one.
    pub(crate) fn get(&self, feature: &FeatureType) -> Option<&Registered> {
        self.0.get(feature)
    }

    /// Returns the feature's default preferences (T12).
    pub(crate) fn defaults(&self, feature: &FeatureType) -> Defaults {
        self.get(feature)
            .map(|registered| registered.definition.content.defaults())
            .unwrap_or_default()
    }

    /// Admits a preference under the version of its feature's definition that it passes; errors
    /// stand under `pointer`. Once any feature is registered, others are refused (W1).
    pub(crate) fn admit(
        &self,
        feature: &FeatureType,
        stated: Stated,
        labels: &Labels,
        pointer: &str,
    ) -> Result<Admitted, Invalid> {
        if self.0.is_empty() {
            return Ok(stated.admitted(0));
        }
        let Some(registered) = self.0.get(feature) else {
            let known: Vec<_> = self.0.keys().take(20).map(FeatureType::as_str).collect();
            return Err(Invalid::one(
                pointer,
                format!(
                    "the feature {feature} is not registered; registered: {}",
                    known.join(", ")
                ),
            ));
        };
        registered.rules.check(&stated.preference, labels, pointer)?;
        Ok(stated.admitted(registered.definition.version))
    }
}
