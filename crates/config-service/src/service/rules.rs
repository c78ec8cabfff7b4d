//! What features ask of preferences (W1, W7): the registry, compiled once and read anew when it has
//! changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use cohort_feature_rules::FeatureRules;
use cohort_preferences::{
    Defaults, FeatureDefinition, FeatureType, FieldError, Invalid, Labels, Preference,
};
use serde_json::Value;

use super::ConfigService;
use crate::error::ConfigServiceError;
use crate::precondition::Precondition;
use crate::registry::{Definition, Registration};
use crate::store::Result;
use crate::store::edit::{Admitted, Stated};

/// Preferences that are tried out together.
const PREFERENCES_A_TRIAL: usize = 1_000;

/// All registered features as they were at one moment.
#[derive(Default)]
pub(crate) struct Registry(BTreeMap<FeatureType, Registered>);

/// A feature and its rules.
pub(crate) struct Registered {
    /// As it was registered.
    pub(crate) definition: Definition,
    rules: FeatureRules,
}

/// A definition that is tried on what is stored before it is registered.
pub(crate) struct Trial {
    feature: FeatureType,
    rules: FeatureRules,
}

/// A stretch of a trial.
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

impl Registry {
    fn compile(definitions: Vec<Definition>) -> Self {
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

    /// The registered features, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Registered> {
        self.0.values()
    }

    /// A feature's registration, if it has one.
    pub(crate) fn get(&self, feature: &FeatureType) -> Option<&Registered> {
        self.0.get(feature)
    }

    /// The feature's default preferences (T12).
    pub(crate) fn defaults(&self, feature: &FeatureType) -> Defaults {
        self.get(feature)
            .map(|registered| registered.definition.content.defaults())
            .unwrap_or_default()
    }

    /// Lets a preference pass, and notes under which version; errors stand under `pointer`. Once
    /// any feature is registered, others are refused (W1).
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

impl Trial {
    fn look_at(&self, json: &str, labels: &Labels) -> Result<(), Vec<FieldError>> {
        let value: Value = serde_json::from_str(json).unwrap_or(Value::Null);
        let preference = Preference::from_json(&value, "").map_err(|invalid| invalid.0)?;
        self.rules.check(&preference, labels, "").map_err(|invalid| invalid.0)
    }
}

impl ConfigService {
    /// The registry as it is now.
    pub(crate) async fn registry(&self) -> Result<Arc<Registry>> {
        let asked_at = *self.0.admissions.borrow();
        if let Some((read_at, registry)) =
            &*self.0.registry.lock().expect("nobody panics while holding the registry")
            && *read_at == asked_at
        {
            return Ok(Arc::clone(registry));
        }
        let registry = Arc::new(Registry::compile(self.0.store.definitions().await?));
        *self.0.registry.lock().expect("nobody panics while holding the registry") =
            Some((asked_at, Arc::clone(&registry)));
        Ok(registry)
    }

    /// Registers a definition as the feature's next version.
    pub(crate) async fn put_definition(
        &self,
        feature: FeatureType,
        value: &Value,
        precondition: Precondition,
        actor: String,
    ) -> Result<Definition> {
        let definition = FeatureDefinition::from_json(value)?;
        FeatureRules::compile(&definition)?;
        self.0.store.register(Registration { feature, actor, definition, precondition }).await
    }

    /// A definition to try on what is stored; nothing is registered.
    pub(crate) fn trial(feature: FeatureType, value: &Value) -> Result<Trial> {
        let rules = FeatureRules::compile(&FeatureDefinition::from_json(value)?)?;
        Ok(Trial { feature, rules })
    }

    /// Tries it on the next stretch of stored preferences, behind the tenant of this number.
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

    /// A feature's registration.
    pub(crate) async fn definition(&self, feature: &FeatureType) -> Result<Definition> {
        let registry = self.registry().await?;
        let found = registry.get(feature).map(|registered| registered.definition.clone());
        found.ok_or_else(|| ConfigServiceError::NotFound(format!("registered feature {feature}")))
    }
}
