//! The calls, in the order in which a reader of the feed needs them: documents, groups, members, settings, changes, writes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cohort_preferences::{
    BatchGetRequest, BatchGetResponse, ChangeKind, ChangePage, FEATURE_PREFERENCES, FeatureType, GroupList, MemberPage, MembersRequest,
    Receipt, TenantId,
};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cache::DocumentCache;
use crate::error::ClientError;
use crate::key::{ApiKey, KeyInfo};
use crate::transport::{Answer, Request, Transport, segment};
use crate::user_preferences::UserPreferences;

/// The most users that the Config Database answers for in one batch-get.
const BATCH_GET_LIMIT: usize = 1000;

/// The longest wait that the Config Database grants a poll.
const LONGEST_POLL: Duration = Duration::from_secs(30);

/// What a long poll may take longer than its wait.
const POLL_GRACE: Duration = Duration::from_secs(5);

/// A handle on the Config Database. Clones share connections and cache.
#[derive(Clone)]
pub struct ConfigDatabaseClient {
    pub(crate) transport: Transport,
    pub(crate) cache: Arc<DocumentCache>,
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
    /// One user's preferences for all features, from the cache if they are there and younger than the TTL.
    ///
    /// A user unknown to the Config Database is [`ClientError::Refused`] with status 404.
    pub async fn get_user_preferences(&self, tenant: &str) -> Result<UserPreferences, ClientError> {
        if let Some(document) = self.cache.get(tenant).await {
            return Ok(document);
        }
        let tenant = read_tenant(tenant)?;
        self.cache.get_or_load(tenant.clone(), self.load_document(&tenant)).await
    }

    async fn load_document(&self, tenant: &TenantId) -> Result<UserPreferences, ClientError> {
        let request = Request::new(Method::GET, document_path(tenant)?);
        let answer = self.transport.retried(&request).await?;
        UserPreferences::read(tenant, answer.etag.clone(), &answer.body).map_err(|what| answer.garbage(what))
    }

    /// All stated groups of a feature with their counts, and the feed's position from which to follow them.
    pub async fn get_frequency_groups(&self, feature: &str) -> Result<GroupList, ClientError> {
        let feature = read_feature(feature)?;
        let request = Request::new(Method::GET, format!("/features/{}/frequency-groups", segment(feature.as_str())));
        let answer = self.transport.retried(&request).await?;
        let list: GroupList = answer.read()?;
        if list.feature_type != feature {
            return Err(answer.garbage(format!("the answer lists the groups of another feature, {:?}", list.feature_type.as_str())));
        }
        if list.next_cursor.is_some() {
            return Err(answer.garbage(format!("the answer lists only the first {} groups", list.groups.len())));
        }
        Ok(list)
    }

    /// One page of the members of some groups as of an instant (M1), with their settings of now (M3). Not cached.
    pub async fn get_frequency_group_members(&self, request: &MembersRequest) -> Result<MemberPage, ClientError> {
        let request = Request::new(Method::POST, "/preferences/groups/members").json(request);
        self.transport.retried(&request).await?.read()
    }

    /// The settings of these users for a feature as they are now, in the order asked (M3). Not cached.
    ///
    /// More than 1,000 users take several requests; the position is that of the first, so that every change after it is
    /// still to come for all of them.
    pub async fn get_preferences(&self, feature: &FeatureType, tenants: &[TenantId]) -> Result<BatchGetResponse, ClientError> {
        let mut parts = tenants.chunks(BATCH_GET_LIMIT);
        let mut all = self.get_preference_batch(feature, parts.next().unwrap_or_default()).await?;
        for part in parts {
            let more = self.get_preference_batch(feature, part).await?;
            all.preferences.extend(more.preferences);
        }
        Ok(all)
    }

    async fn get_preference_batch(&self, feature: &FeatureType, tenants: &[TenantId]) -> Result<BatchGetResponse, ClientError> {
        let request = Request::new(Method::POST, "/preferences/batch-get")
            .json(&BatchGetRequest { feature_type: feature.clone(), tenant_ids: tenants.to_vec() });
        let answer = self.transport.retried(&request).await?;
        let batch: BatchGetResponse = answer.read()?;
        if !batch.preferences.iter().map(|entry| &entry.tenant_id).eq(tenants) {
            return Err(answer.garbage("the answer is not about the users asked for".into()));
        }
        Ok(batch)
    }

    /// The changes after a cursor; waits up to `wait`, in whole seconds and at most 30, for the first (F7).
    ///
    /// `since` `None` starts at the oldest change kept, `"now"` at this instant. The tenants named are dropped from the
    /// cache. [`ClientError::Gone`] means that changes were missed: the whole cache is dropped.
    pub async fn get_preference_changes(&self, since: Option<&str>, wait: Duration) -> Result<ChangePage, ClientError> {
        let wait = wait.min(LONGEST_POLL);
        let mut request = Request::new(Method::GET, "/preferences/changes").timeout(wait + POLL_GRACE);
        request = request.query("wait", wait.as_secs());
        if let Some(since) = since {
            request = request.query("since_id", since);
        }
        let answer = self.transport.retried(&request).await.inspect_err(|error| {
            if matches!(error, ClientError::Gone { .. }) {
                self.cache.drop_all();
            }
        })?;
        let page: ChangePage = answer.read()?;
        for change in &page.changes {
            match (&change.tenant_id, change.kind) {
                (Some(tenant), _) => self.cache.drop_tenant(tenant.as_str()).await,
                (None, ChangeKind::Defaults) => {}
                // Whoever was erased, their document may be in the cache (W8).
                (None, ChangeKind::Set | ChangeKind::Deleted) => self.cache.drop_all(),
            }
        }
        Ok(page)
    }

    /// Stores one user's preference for one feature, as T1 says. Wrong fields come back as [`ClientError::Refused`].
    pub async fn set_feature_preference(&self, tenant: &str, feature: &str, preference: &Value) -> Result<Receipt, ClientError> {
        let tenant = read_tenant(tenant)?;
        let request = Request::new(Method::PUT, preference_path(&tenant, feature)?).json(preference);
        let stored = self.transport.retried(&request).await;
        self.cache.drop_tenant(tenant.as_str()).await;
        stored?.read()
    }

    /// Stores one user's whole document: features that `config_value` omits are deleted (W2).
    pub async fn set_user_preferences(&self, tenant: &str, config_value: &Map<String, Value>) -> Result<DocumentReceipt, ClientError> {
        let tenant = read_tenant(tenant)?;
        let document = json!({"tenant_id": tenant, "config_key": FEATURE_PREFERENCES, "config_value": config_value});
        let request = Request::new(Method::PUT, document_path(&tenant)?).json(&document);
        let stored = self.transport.retried(&request).await;
        self.cache.drop_tenant(tenant.as_str()).await;
        stored?.read()
    }

    /// Deletes one user's preference for one feature. Sent once: repeated, it could not tell its own success from 404.
    pub async fn delete_feature_preference(&self, tenant: &str, feature: &str) -> Result<Receipt, ClientError> {
        let tenant = read_tenant(tenant)?;
        self.delete(&tenant, preference_path(&tenant, feature)?).await?.read()
    }

    /// Deletes one user's preferences for all features. Sent once.
    pub async fn delete_user_preferences(&self, tenant: &str) -> Result<DocumentReceipt, ClientError> {
        let tenant = read_tenant(tenant)?;
        self.delete(&tenant, document_path(&tenant)?).await?.read()
    }

    async fn delete(&self, tenant: &TenantId, path: String) -> Result<Answer, ClientError> {
        let deleted = self.transport.once(&Request::new(Method::DELETE, path)).await;
        self.cache.drop_tenant(tenant.as_str()).await;
        deleted
    }

    /// What a key that somebody presented to the caller may do; `None` if it opens nothing (W4). Not cached.
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
        f.debug_struct("ConfigDatabaseClient").field("base_url", &self.transport.base_url().as_str()).finish_non_exhaustive()
    }
}

fn read_tenant(name: &str) -> Result<TenantId, ClientError> {
    name.parse().map_err(|source| ClientError::Name { kind: "tenant id", name: name.to_owned(), source })
}

fn read_feature(name: &str) -> Result<FeatureType, ClientError> {
    name.parse().map_err(|source| ClientError::Name { kind: "feature type", name: name.to_owned(), source })
}

fn document_path(tenant: &TenantId) -> Result<String, ClientError> {
    Ok(format!("{}/configs/{FEATURE_PREFERENCES}", tenant_path(tenant)?))
}

fn preference_path(tenant: &TenantId, feature: &str) -> Result<String, ClientError> {
    let feature = read_feature(feature)?;
    Ok(format!("{}/preferences/{}", tenant_path(tenant)?, segment(feature.as_str())))
}

fn tenant_path(tenant: &TenantId) -> Result<String, ClientError> {
    match tenant.as_str() {
        "." | ".." => Err(ClientError::Unaddressable { tenant: tenant.to_string() }),
        name => Ok(format!("/tenants/{}", segment(name))),
    }
}
