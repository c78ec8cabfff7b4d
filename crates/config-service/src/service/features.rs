//! The feature registry (W1, W7): read anew when it has changed, and written.

use std::sync::Arc;

use cohort_feature_rules::FeatureRules;
use cohort_preferences::{FeatureDefinition, FeatureType};
use serde_json::Value;

use super::config_service::ConfigService;
use super::rules::Registry;
use crate::error::{ConfigServiceError, Result};
use crate::precondition::Precondition;
use crate::registry::{Definition, Registration};

impl ConfigService {
    /// Returns the registry as it is now.
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

    /// Returns a feature's registration.
    pub(crate) async fn definition(&self, feature: &FeatureType) -> Result<Definition> {
        let registry = self.registry().await?;
        let found = registry.get(feature).map(|registered| registered.definition.clone());
        found.ok_or_else(|| ConfigServiceError::NotFound(format!("registered feature {feature}")))
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
}
