//! One user's preferences for all features, as the cache shares them.

use std::collections::BTreeMap;
use std::sync::Arc;

use cohort_preferences::{FeatureType, Preference, PreferenceDocument, TenantId};
use serde_json::Value;

/// One user's preferences for all features. Cheap to clone.
#[derive(Debug, Clone)]
pub struct UserPreferences(Arc<Document>);

#[derive(Debug)]
struct Document {
    tenant_id: TenantId,
    etag: Option<String>,
    features: BTreeMap<FeatureType, (Value, Preference)>,
}

impl UserPreferences {
    /// Reads the specification's document; the error says what is wrong with it.
    pub(crate) fn read(tenant: &TenantId, etag: Option<String>, body: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(body).map_err(|error| format!("the answer is no JSON: {error}"))?;
        let document = PreferenceDocument::from_json(&value).map_err(|error| format!("the answer is no preference document: {error}"))?;
        match document.tenant_id {
            Some(of) if of == *tenant => {}
            Some(of) => return Err(format!("the answer is the document of another tenant, {:?}", of.as_str())),
            None => return Err("the answer is a document without tenant_id".into()),
        }
        Ok(Self(Arc::new(Document { tenant_id: tenant.clone(), etag, features: document.features })))
    }

    /// Whose they are.
    pub fn tenant_id(&self) -> &TenantId {
        &self.0.tenant_id
    }

    /// The tenant's revision, for `If-Match` (W2); `None` if the Config Database gave none.
    pub fn etag(&self) -> Option<&str> {
        self.0.etag.as_deref()
    }

    /// What this user states for a feature; `None` if nothing.
    pub fn feature(&self, feature: &str) -> Option<&Preference> {
        self.0.features.get(feature).map(|(_, preference)| preference)
    }

    /// The same as JSON, as the user's management system wrote it.
    pub fn feature_as_json(&self, feature: &str) -> Option<&Value> {
        self.0.features.get(feature).map(|(json, _)| json)
    }

    /// All features that this user states something for, by name.
    pub fn features(&self) -> impl Iterator<Item = (&FeatureType, &Preference)> {
        self.0.features.iter().map(|(feature, (_, preference))| (feature, preference))
    }
}
