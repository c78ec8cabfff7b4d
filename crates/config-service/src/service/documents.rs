//! A tenant's document: all of its preferences (W2).

use std::collections::BTreeMap;
use std::sync::Arc;

use cohort_preferences::{FeatureType, Invalid, PreferenceDocument, TenantId};
use serde_json::Value;

use super::config_service::ConfigService;
use super::receipts::Written;
use super::rules::Registry;
use crate::error::{ConfigServiceError, Result};
use crate::limits::check_preference;
use crate::precondition::Precondition;
use crate::store::edit::{Admitted, Current, Decide, Edit, Stated, Tenant, Wanted, say_the_same};
use crate::store::list::StoredTenant;

impl ConfigService {
    /// Returns everything that a tenant prefers.
    pub(crate) async fn document(&self, tenant: &TenantId) -> Result<Tenant> {
        let found = self.0.store.tenant(tenant).await?;
        let there = found.filter(|tenant| tenant.live().next().is_some());
        there.ok_or_else(|| no_document(tenant))
    }

    /// Returns tenants with everything, behind the one of this number.
    pub(crate) async fn documents(&self, after: u64, limit: usize) -> Result<Vec<StoredTenant>> {
        self.0.store.documents(after, limit).await
    }

    /// Replaces a tenant's document: writes what differs, deletes what it omits (W2).
    pub(crate) async fn put_document(
        &self,
        tenant: TenantId,
        value: &Value,
        precondition: Precondition,
        actor: String,
    ) -> Result<Written> {
        let document = PreferenceDocument::from_json(value)?;
        if let Some(named) = document.tenant_id.filter(|named| *named != tenant) {
            let detail = format!("expected the tenant of the address, {tenant}, got {named}");
            return Err(Invalid::one("/tenant_id", detail).into());
        }
        let stated = document
            .features
            .into_iter()
            .map(|(feature, (value, preference))| (feature, Stated::new(&value, preference)));
        self.replace_document(tenant, stated.collect(), precondition, actor, |_| Ok(())).await
    }

    /// Deletes a tenant's document: all of its preferences.
    pub(crate) async fn delete_document(
        &self,
        tenant: TenantId,
        precondition: Precondition,
        actor: String,
    ) -> Result<Written> {
        let absent = no_document(&tenant);
        let must_be_there = move |version: Option<u64>| version.map(|_| ()).ok_or(absent);
        self.replace_document(tenant, BTreeMap::new(), precondition, actor, must_be_there).await
    }

    async fn replace_document(
        &self,
        tenant: TenantId,
        stated: BTreeMap<FeatureType, Stated>,
        precondition: Precondition,
        actor: String,
        also_check: impl FnOnce(Option<u64>) -> Result<()> + Send + 'static,
    ) -> Result<Written> {
        let registry = self.registry().await?;
        let rules = Arc::clone(&registry);
        let decide: Decide = Box::new(move |tenant| {
            let version = tenant.live().next().map(|_| tenant.revision());
            precondition.check(version)?;
            also_check(version)?;
            Ok(Wanted { preferences: as_document(&rules, tenant, stated)?, profile: None })
        });
        let edited = self
            .0
            .store
            .edit(Edit { tenant: tenant.clone(), feature: None, actor, decide })
            .await?;
        let live_before: Vec<_> =
            edited.before.live().map(|(feature, ..)| feature.clone()).collect();
        let is_live = |feature: &FeatureType| {
            edited.after.preference(feature).and_then(Current::live_version).is_some()
        };
        let receipts = self
            .receipts(&tenant, &registry, &edited, |feature| {
                live_before.contains(feature) || is_live(feature)
            })
            .await?;
        Ok(Written { version: edited.after.revision(), created: live_before.is_empty(), receipts })
    }
}

/// Returns what a document writes: the features that it states, and the deletion of those that it
/// omits.
fn as_document(
    registry: &Registry,
    tenant: &Tenant,
    stated: BTreeMap<FeatureType, Stated>,
) -> Result<BTreeMap<FeatureType, Option<Admitted>>> {
    let mut wanted: BTreeMap<_, _> =
        tenant.live().map(|(feature, ..)| (feature.clone(), None)).collect();
    let mut errors = Vec::new();
    for (feature, stated) in stated {
        let is_kept = tenant
            .preference(&feature)
            .and_then(|current| current.json.as_deref())
            .is_some_and(|json| say_the_same(&stated.json, json));
        // What stands already stays valid under the version that it passed (W7).
        let pointer = pointer_to(&feature);
        let admitted = match check_preference(&stated.json, &pointer) {
            Ok(()) if is_kept => Ok(stated.admitted(0)),
            Ok(()) => registry.admit(&feature, stated, &tenant.profile.labels, &pointer),
            Err(invalid) => Err(invalid),
        };
        match admitted {
            Ok(stated) => _ = wanted.insert(feature, Some(stated)),
            Err(Invalid(more)) => errors.extend(more),
        }
    }
    if errors.is_empty() { Ok(wanted) } else { Err(Invalid(errors).into()) }
}

fn pointer_to(feature: &FeatureType) -> String {
    // Feature types hold no character that a JSON Pointer escapes.
    format!("/config_value/{feature}")
}

fn no_document(tenant: &TenantId) -> ConfigServiceError {
    ConfigServiceError::NotFound(format!(
        "document feature_preferences of tenant {:?}",
        tenant.as_str()
    ))
}
