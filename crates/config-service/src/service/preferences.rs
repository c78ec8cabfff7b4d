//! One preference: read, replaced, changed, deleted and reverted (W2, W3); and many at once.

use std::sync::Arc;

use cohort_preferences::{BatchGetRequest, BatchGetResponse, FeatureType, Preference, TenantId};
use serde_json::Value;

use super::bounds::{MOST_USERS, too_many};
use super::config_service::ConfigService;
use super::history::ENTRIES_A_PAGE;
use super::receipts::Written;
use crate::error::{ConfigServiceError, Result};
use crate::limits::check_preference;
use crate::precondition::Precondition;
use crate::store::edit::{Current, Decide, Edit, Stated, Wanted};

impl ConfigService {
    /// Returns one preference as it was stated, with its version.
    pub(crate) async fn preference(
        &self,
        tenant: &TenantId,
        feature: &FeatureType,
    ) -> Result<(u64, String)> {
        let current = self.0.store.preference(tenant, feature).await?;
        let live = current.and_then(|current| Some((current.version, current.json?)));
        live.ok_or_else(|| no_preference(tenant, feature))
    }

    /// Returns many users' preferences for one feature.
    pub(crate) async fn preferences(&self, request: BatchGetRequest) -> Result<BatchGetResponse> {
        if request.tenant_ids.len() > MOST_USERS {
            return Err(too_many("/tenant_ids", request.tenant_ids.len(), MOST_USERS));
        }
        self.0.store.preferences(request).await
    }

    /// Replaces one preference.
    pub(crate) async fn put_preference(
        &self,
        (tenant, feature): (TenantId, FeatureType),
        value: &Value,
        precondition: Precondition,
        actor: String,
    ) -> Result<Written> {
        let stated = Stated::read(value, "")?;
        self.edit_preference((tenant, feature), precondition, actor, move |_| Ok(Some(stated)))
            .await
    }

    /// Changes one preference by a JSON Merge Patch (RFC 7396).
    pub(crate) async fn patch_preference(
        &self,
        (tenant, feature): (TenantId, FeatureType),
        patch: Value,
        precondition: Precondition,
        actor: String,
    ) -> Result<Written> {
        let absent = no_preference(&tenant, &feature);
        let patched = move |current: Option<&Current>| {
            let json = current.and_then(|current| current.json.as_deref()).ok_or(absent)?;
            let current: Value = serde_json::from_str(json)
                .map_err(|error| ConfigServiceError::Unreadable(error.to_string()))?;
            Stated::read(&Preference::merge_patch(&current, &patch), "").map(Some)
        };
        self.edit_preference((tenant, feature), precondition, actor, patched).await
    }

    /// Deletes one preference; its version lives on (W2).
    pub(crate) async fn delete_preference(
        &self,
        (tenant, feature): (TenantId, FeatureType),
        precondition: Precondition,
        actor: String,
    ) -> Result<Written> {
        let absent = no_preference(&tenant, &feature);
        let must_be_there = move |current: Option<&Current>| {
            current.and_then(Current::live_version).map(|_| None).ok_or(absent)
        };
        self.edit_preference((tenant, feature), precondition, actor, must_be_there).await
    }

    /// Writes one preference as an earlier version of it stood (W3), if it passes the rules of now.
    pub(crate) async fn revert(
        &self,
        (tenant, feature): (TenantId, FeatureType),
        to_version: u64,
        precondition: Precondition,
        actor: String,
    ) -> Result<Written> {
        let stated = self.stated_at(&tenant, &feature, to_version).await?;
        self.edit_preference((tenant, feature), precondition, actor, move |_| Ok(stated)).await
    }

    /// Returns what a version of a preference said, or `None` if that version was a deletion.
    async fn stated_at(
        &self,
        tenant: &TenantId,
        feature: &FeatureType,
        version: u64,
    ) -> Result<Option<Stated>> {
        let mut before = i64::MAX;
        loop {
            let entries =
                self.0.store.history(tenant, Some(feature.clone()), before, ENTRIES_A_PAGE).await?;
            if let Some(entry) = entries.iter().find(|entry| entry.version == version) {
                return entry.after.as_deref().map(Stated::stored).transpose();
            }
            let Some(last) = entries.last() else {
                return Err(ConfigServiceError::NotFound(format!(
                    "version {version} of {}",
                    name_of(tenant, feature)
                )));
            };
            before = last.change;
        }
    }

    /// Edits one preference. `decide` is given what is there and returns what is to be there.
    async fn edit_preference<F>(
        &self,
        (tenant, feature): (TenantId, FeatureType),
        precondition: Precondition,
        actor: String,
        decide: F,
    ) -> Result<Written>
    where
        F: FnOnce(Option<&Current>) -> Result<Option<Stated>> + Send + 'static,
    {
        let registry = self.registry().await?;
        let (rules, looked_at) = (Arc::clone(&registry), feature.clone());
        let decide: Decide = Box::new(move |tenant| {
            let current = tenant.preference(&looked_at);
            precondition.check(current.and_then(Current::live_version))?;
            let admit = |stated: Stated| {
                check_preference(&stated.json, "")?;
                rules.admit(&looked_at, stated, &tenant.profile.labels, "")
            };
            let stated = decide(current)?.map(admit).transpose()?;
            Ok(Wanted::preference(looked_at, stated))
        });
        let edited = self
            .0
            .store
            .edit(Edit { tenant: tenant.clone(), feature: Some(feature.clone()), actor, decide })
            .await?;
        Ok(Written {
            version: edited.after.preference(&feature).map_or(0, |current| current.version),
            created: edited.before.preference(&feature).and_then(Current::live_version).is_none(),
            receipts: self.receipts(&tenant, &registry, &edited, |name| *name == feature).await?,
        })
    }
}

fn name_of(tenant: &TenantId, feature: &FeatureType) -> String {
    format!("preference of tenant {tenant:?} for {feature}", tenant = tenant.as_str())
}

fn no_preference(tenant: &TenantId, feature: &FeatureType) -> ConfigServiceError {
    ConfigServiceError::NotFound(name_of(tenant, feature))
}
