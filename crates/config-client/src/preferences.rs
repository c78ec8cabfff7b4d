//! Preferences of users for one feature. Not cached.

use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, FeatureType, IdError, Receipt, TenantId,
};
use reqwest::Method;
use serde_json::Value;

use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::names::{feature_type, tenant_id};
use crate::request::Request;

/// The most users of one batch-get, and of one request for a label.
pub(crate) const USERS_A_BATCH: usize = 1000;

impl ConfigDatabaseClient {
    /// Returns the settings of these users for a feature as they are now, in the order asked (M3).
    ///
    /// More than 1,000 users take several requests. The position is that of the first, so that
    /// every change after it is still to come for all of them.
    pub async fn get_preferences(
        &self,
        feature: impl TryInto<FeatureType, Error: Into<IdError>>,
        tenants: &[TenantId],
    ) -> Result<BatchGetResponse, ClientError> {
        let feature = feature_type(feature)?;
        let mut batches = tenants.chunks(USERS_A_BATCH);
        let first = batches.next().unwrap_or_default();
        let mut all = self.get_preference_batch(&feature, first).await?;
        for batch in batches {
            let more = self.get_preference_batch(&feature, batch).await?;
            all.preferences.extend(more.preferences);
        }
        Ok(all)
    }

    async fn get_preference_batch(
        &self,
        feature: &FeatureType,
        tenants: &[TenantId],
    ) -> Result<BatchGetResponse, ClientError> {
        let asked = BatchGetRequest { feature_type: feature.clone(), tenant_ids: tenants.to_vec() };
        let request = Request::new(Method::POST, "/preferences/batch-get").json(&asked);
        let answer = self.transport.retried(&request).await?;
        let batch: BatchGetResponse = answer.read()?;
        if !batch.preferences.iter().map(|entry| &entry.tenant_id).eq(tenants) {
            return Err(answer.garbage("the answer is not about the users asked for".into()));
        }
        Ok(batch)
    }

    /// Stores one user's preference for one feature, in the form that T1 says. Wrong fields come
    /// back as [`ClientError::Refused`].
    pub async fn set_feature_preference(
        &self,
        tenant: impl TryInto<TenantId, Error: Into<IdError>>,
        feature: impl TryInto<FeatureType, Error: Into<IdError>>,
        preference: &Value,
    ) -> Result<Receipt, ClientError> {
        let (tenant, feature) = (tenant_id(tenant)?, feature_type(feature)?);
        let request = one(Method::PUT, &tenant, &feature)?.json(preference);
        let stored = self.transport.retried(&request).await;
        self.cache.drop_tenant(&tenant).await;
        stored?.read()
    }

    /// Deletes one user's preference for one feature. Sent once: repeated, it could not tell its
    /// own success from 404.
    pub async fn delete_feature_preference(
        &self,
        tenant: impl TryInto<TenantId, Error: Into<IdError>>,
        feature: impl TryInto<FeatureType, Error: Into<IdError>>,
    ) -> Result<Receipt, ClientError> {
        let (tenant, feature) = (tenant_id(tenant)?, feature_type(feature)?);
        let deleted = self.transport.once(&one(Method::DELETE, &tenant, &feature)?).await;
        self.cache.drop_tenant(&tenant).await;
        deleted?.read()
    }
}

fn one(method: Method, tenant: &TenantId, feature: &FeatureType) -> Result<Request, ClientError> {
    Request::new(method, "/tenants/{tenant_id}/preferences/{feature_type}")
        .at("tenant_id", tenant.as_str())?
        .at("feature_type", feature.as_str())
}
