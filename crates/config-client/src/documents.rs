//! Whole documents: one user's preferences for all features.

use std::collections::BTreeMap;

use cohort_preferences::{FEATURE_PREFERENCES, FeatureType, IdError, Receipt, TenantId};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::names::tenant_id;
use crate::request::Request;
use crate::user_preferences::UserPreferences;

/// What a write of a whole document returns (W2, M7).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct DocumentReceipt {
    /// The tenant's revision after the write.
    pub version: u64,
    /// What it means for each feature that is or was in the document.
    pub features: BTreeMap<FeatureType, Receipt>,
}

impl ConfigDatabaseClient {
    /// Returns one user's preferences for all features, from the cache if they are there and
    /// younger than the TTL.
    ///
    /// Older ones are confirmed by their `ETag`. While the Config Database does not answer they are
    /// given out with [`UserPreferences::is_stale`], for as long as the builder's `max_stale` says.
    /// A user unknown to the Config Database is [`ClientError::Refused`] with status 404.
    pub async fn get_user_preferences(
        &self,
        tenant: impl TryInto<TenantId, Error: Into<IdError>>,
    ) -> Result<UserPreferences, ClientError> {
        let tenant = tenant_id(tenant)?;
        if let Some(document) = self.cache.get(tenant.as_str()).await {
            return Ok(document);
        }
        self.cache.get_or_load(tenant.clone(), |known| self.load_document(&tenant, known)).await
    }

    async fn load_document(
        &self,
        tenant: &TenantId,
        known: Option<UserPreferences>,
    ) -> Result<UserPreferences, ClientError> {
        let etag = known.as_ref().and_then(UserPreferences::etag);
        let request = document(Method::GET, tenant)?.if_none_match(etag);
        let answer = self.transport.retried(&request).await?;
        match known {
            Some(known) if answer.is_not_modified => Ok(known.confirmed()),
            _ => UserPreferences::read(tenant, answer.etag.clone(), &answer.body)
                .map_err(|what| answer.garbage(what)),
        }
    }

    /// Stores one user's whole document: features that `config_value` omits are deleted (W2).
    pub async fn set_user_preferences(
        &self,
        tenant: impl TryInto<TenantId, Error: Into<IdError>>,
        config_value: &Map<String, Value>,
    ) -> Result<DocumentReceipt, ClientError> {
        let tenant = tenant_id(tenant)?;
        let body = json!({"tenant_id": tenant, "config_key": FEATURE_PREFERENCES,
            "config_value": config_value});
        let request = document(Method::PUT, &tenant)?.json(&body);
        let stored = self.transport.retried(&request).await;
        self.cache.drop_tenant(&tenant).await;
        stored?.read()
    }

    /// Deletes one user's preferences for all features. Sent once: repeated, it could not tell its
    /// own success from 404.
    pub async fn delete_user_preferences(
        &self,
        tenant: impl TryInto<TenantId, Error: Into<IdError>>,
    ) -> Result<DocumentReceipt, ClientError> {
        let tenant = tenant_id(tenant)?;
        let deleted = self.transport.once(&document(Method::DELETE, &tenant)?).await;
        self.cache.drop_tenant(&tenant).await;
        deleted?.read()
    }
}

fn document(method: Method, tenant: &TenantId) -> Result<Request, ClientError> {
    Request::new(method, "/tenants/{tenant_id}/configs/feature_preferences")
        .at("tenant_id", tenant.as_str())
}
