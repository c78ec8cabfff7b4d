//! One user's preferences for all features, as the cache shares them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cohort_preferences::{FeatureType, Preference, PreferenceDocument, TenantId};
use serde_json::Value;

/// What a document without a feature weighs in the cache.
const LEAST_WEIGHT: usize = 512;

/// How many bytes a byte of JSON takes once it is read, about.
const EXPANSION: usize = 6;

/// One user's preferences for all features. Cheap to clone.
#[derive(Debug, Clone)]
pub struct UserPreferences {
    document: Arc<Document>,
    confirmed_at: Instant,
    is_stale: bool,
}

#[derive(Debug)]
struct Document {
    tenant_id: TenantId,
    etag: Option<String>,
    features: BTreeMap<FeatureType, (Value, Preference)>,
    weight: u32,
}

impl UserPreferences {
    /// Reads the specification's document; the error says what is wrong with it.
    pub(crate) fn read(
        tenant: &TenantId,
        etag: Option<String>,
        body: &[u8],
    ) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| format!("the answer is not JSON: {error}"))?;
        let document = PreferenceDocument::from_json(&value)
            .map_err(|error| format!("the answer is not a preference document: {error}"))?;
        match document.tenant_id {
            Some(of) if of == *tenant => {}
            Some(of) => {
                return Err(format!(
                    "the answer is the document of another tenant, {:?}",
                    of.as_str()
                ));
            }
            None => return Err("the answer is a document without tenant_id".into()),
        }
        let weight = u32::try_from(LEAST_WEIGHT + EXPANSION * body.len()).unwrap_or(u32::MAX);
        let document =
            Document { tenant_id: tenant.clone(), etag, features: document.features, weight };
        Ok(Self { document: Arc::new(document), confirmed_at: Instant::now(), is_stale: false })
    }

    /// The same, confirmed just now.
    pub(crate) fn confirmed(self) -> Self {
        Self { confirmed_at: Instant::now(), ..self }
    }

    /// The same, marked as not confirmed.
    pub(crate) fn stale(self) -> Self {
        Self { is_stale: true, ..self }
    }

    /// How many bytes it takes in the cache, about.
    pub(crate) fn weight(&self) -> u32 {
        self.document.weight
    }

    /// Whether they are older than the TTL, and given out because the Config Database does not
    /// answer.
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Returns how long ago the Config Database last confirmed them.
    pub fn age(&self) -> Duration {
        self.confirmed_at.elapsed()
    }

    /// Whose they are.
    pub fn tenant_id(&self) -> &TenantId {
        &self.document.tenant_id
    }

    /// The tenant's revision, for `If-Match` (W2); `None` if the Config Database gave none.
    pub fn etag(&self) -> Option<&str> {
        self.document.etag.as_deref()
    }

    /// Returns what this user states for a feature; `None` if nothing.
    pub fn feature(&self, feature: &str) -> Option<&Preference> {
        self.document.features.get(feature).map(|(_, preference)| preference)
    }

    /// Returns the same as JSON, in the form in which it was written.
    pub fn feature_as_json(&self, feature: &str) -> Option<&Value> {
        self.document.features.get(feature).map(|(json, _)| json)
    }

    /// Returns all features that this user states something for, by name.
    pub fn features(&self) -> impl Iterator<Item = (&FeatureType, &Preference)> {
        self.document.features.iter().map(|(feature, (_, preference))| (feature, preference))
    }
}
