//! The client, and its calls about users: documents, settings, writes, keys.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, FEATURE_PREFERENCES, FeatureType, Receipt, TenantId,
};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cache::DocumentCache;
use crate::error::ClientError;
use crate::feed::FeedOptions;
use crate::key::{ApiKey, KeyInfo};
use crate::transport::{Answer, Request, Transport, segment};
use crate::user_preferences::UserPreferences;

/// The most users that the Config Database answers for in one batch-get, and in one request for a
/// label.
pub(crate) const USERS_A_BATCH: usize = 1000;

/// A handle on the Config Database. Clones share connections and cache.
#[derive(Clone)]
pub struct ConfigDatabaseClient {
    pub(crate) transport: Transport,
    pub(crate) cache: Arc<DocumentCache>,
    pub(crate) feed: FeedOptions,
}

/// What a write of a whole document answers (W2, M7).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DocumentReceipt {
    /// The tenant's revision after the write.
    pub version: u64,
    /// What it means for each feature that is or was in the document.
    pub features: BTreeMap<FeatureType, Receipt>,
}

impl ConfigDatabaseClient {
    /// One user's preferences for all features, from the cache if they are there and younger than
    /// the TTL.
    ///
    /// Older ones are confirmed by their `ETag`; while the Config Database does not answer they are
    /// given out with [`UserPreferences::is_stale`], for as long as the builder's `max_stale` says.
    /// A user unknown to the Config Database is [`ClientError::Refused`] with status 404.
    pub async fn get_user_preferences(&self, tenant: &str) -> Result<UserPreferences, ClientError> {
        if let Some(document) = self.cache.get(tenant).await {
            return Ok(document);
        }
        let tenant = read_tenant(tenant)?;
        self.cache.get_or_load(tenant.clone(), |known| self.load_document(&tenant, known)).await
    }

    async fn load_document(
        &self,
        tenant: &TenantId,
        known: Option<UserPreferences>,
    ) -> Result<UserPreferences, ClientError> {
        let etag = known.as_ref().and_then(UserPreferences::etag);
        let request = Request::new(Method::GET, document_path(tenant)?).if_none_match(etag);
        let answer = self.transport.retried(&request).await?;
        match known {
            Some(known) if answer.is_not_modified => Ok(known.confirmed()),
            _ => UserPreferences::read(tenant, answer.etag.clone(), &answer.body)
                .map_err(|what| answer.garbage(what)),
        }
    }

    /// The settings of these users for a feature as they are now, in the order asked (M3). Not
    /// cached.
    ///
    /// More than 1,000 users take several requests; the position is that of the first, so that
    /// every change after it is still to come for all of them.
    pub async fn get_preferences(
        &self,
        feature: &FeatureType,
        tenants: &[TenantId],
    ) -> Result<BatchGetResponse, ClientError> {
        let mut parts = tenants.chunks(USERS_A_BATCH);
        let mut all = self.get_preference_batch(feature, parts.next().unwrap_or_default()).await?;
        for part in parts {
            let more = self.get_preference_batch(feature, part).await?;
            all.preferences.extend(more.preferences);
        }
        Ok(all)
    }

    async fn get_preference_batch(
        &self,
        feature: &FeatureType,
        tenants: &[TenantId],
    ) -> Result<BatchGetResponse, ClientError> {
        let request = Request::new(Method::POST, "/preferences/batch-get")
            .json(&BatchGetRequest { feature_type: feature.clone(), tenant_ids: tenants.to_vec() });
        let answer = self.transport.retried(&request).await?;
        let batch: BatchGetResponse = answer.read()?;
        if !batch.preferences.iter().map(|entry| &entry.tenant_id).eq(tenants) {
            return Err(answer.garbage("the answer is not about the users asked for".into()));
        }
        Ok(batch)
    }

    /// Stores one user's preference for one feature, as T1 says. Wrong fields come back as
    /// [`ClientError::Refused`].
    pub async fn set_feature_preference(
        &self,
        tenant: &str,
        feature: &str,
        preference: &Value,
    ) -> Result<Receipt, ClientError> {
        let tenant = read_tenant(tenant)?;
        let request =
            Request::new(Method::PUT, preference_path(&tenant, feature)?).json(preference);
        let stored = self.transport.retried(&request).await;
        self.cache.drop_tenant(&tenant).await;
        stored?.read()
    }

    /// Stores one user's whole document: features that `config_value` omits are deleted (W2).
    pub async fn set_user_preferences(
        &self,
        tenant: &str,
        config_value: &Map<String, Value>,
    ) -> Result<DocumentReceipt, ClientError> {
        let tenant = read_tenant(tenant)?;
        let document = json!({"tenant_id": tenant, "config_key": FEATURE_PREFERENCES,
            "config_value": config_value});
        let request = Request::new(Method::PUT, document_path(&tenant)?).json(&document);
        let stored = self.transport.retried(&request).await;
        self.cache.drop_tenant(&tenant).await;
        stored?.read()
    }

    /// Deletes one user's preference for one feature. Sent once: repeated, it could not tell its
    /// own success from 404.
    pub async fn delete_feature_preference(
        &self,
        tenant: &str,
        feature: &str,
    ) -> Result<Receipt, ClientError> {
        let tenant = read_tenant(tenant)?;
        self.delete(&tenant, preference_path(&tenant, feature)?).await?.read()
    }

    /// Deletes one user's preferences for all features. Sent once.
    pub async fn delete_user_preferences(
        &self,
        tenant: &str,
    ) -> Result<DocumentReceipt, ClientError> {
        let tenant = read_tenant(tenant)?;
        self.delete(&tenant, document_path(&tenant)?).await?.read()
    }

    async fn delete(&self, tenant: &TenantId, path: String) -> Result<Answer, ClientError> {
        let deleted = self.transport.once(&Request::new(Method::DELETE, path)).await;
        self.cache.drop_tenant(tenant).await;
        deleted
    }

    /// What a key that somebody presented to the caller may do; `None` if it opens nothing (W4).
    /// Not cached.
    pub async fn verify_key(&self, presented: &str) -> Result<Option<KeyInfo>, ClientError> {
        let Some(key) = ApiKey::new(presented) else {
            return Ok(None);
        };
        let request = Request::new(Method::POST, "/api-keys/verify").presenting(key);
        match self.transport.retried(&request).await {
            Ok(answer) => answer.read().map(Some),
            Err(ClientError::Denied { status: StatusCode::UNAUTHORIZED, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for ConfigDatabaseClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigDatabaseClient")
            .field("base_url", &self.transport.base_url().as_str())
            .finish_non_exhaustive()
    }
}

fn read_tenant(name: &str) -> Result<TenantId, ClientError> {
    name.parse().map_err(|source| ClientError::Name {
        kind: "tenant id",
        name: name.to_owned(),
        source,
    })
}

pub(crate) fn read_feature(name: &str) -> Result<FeatureType, ClientError> {
    name.parse().map_err(|source| ClientError::Name {
        kind: "feature type",
        name: name.to_owned(),
        source,
    })
}

fn document_path(tenant: &TenantId) -> Result<String, ClientError> {
    Ok(format!("{}/configs/{FEATURE_PREFERENCES}", tenant_path(tenant)?))
}

fn preference_path(tenant: &TenantId, feature: &str) -> Result<String, ClientError> {
    let feature = read_feature(feature)?;
    Ok(format!("{}/preferences/{}", tenant_path(tenant)?, segment(feature.as_str())))
}

pub(crate) fn tenant_path(tenant: &TenantId) -> Result<String, ClientError> {
    match tenant.as_str() {
        "." | ".." => Err(ClientError::Unaddressable { tenant: tenant.to_string() }),
        name => Ok(format!("/tenants/{}", segment(name))),
    }
}
