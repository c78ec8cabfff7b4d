//! A tenant's timezone and labels (T12), and its erasure (W8).

use cohort_preferences::{FeatureType, Invalid, Labels, TenantId, Zone};
use serde_json::Value;

use super::config_service::ConfigService;
use super::receipts::Written;
use crate::error::{ConfigServiceError, Result};
use crate::precondition::Precondition;
use crate::store::edit::{Decide, Edit, Erased, Profile, Tenant, Wanted};

impl ConfigService {
    /// Returns a tenant, with or without preferences.
    pub(crate) async fn profile(&self, tenant: &TenantId) -> Result<Tenant> {
        self.0.store.tenant(tenant).await?.ok_or_else(|| no_tenant(tenant))
    }

    /// Replaces a tenant's timezone and labels. The receipts are of the features in which another
    /// timezone moved the user (T12).
    pub(crate) async fn put_profile(
        &self,
        tenant: TenantId,
        value: &Value,
        precondition: Precondition,
        actor: String,
    ) -> Result<Written> {
        let profile = read_profile(value)?;
        let decide: Decide = Box::new(move |tenant| {
            precondition.check(tenant.number.map(|_| tenant.profile_version))?;
            Ok(Wanted { profile: Some(profile), ..Wanted::default() })
        });
        let edited = self
            .0
            .store
            .edit(Edit { tenant: tenant.clone(), feature: None, actor, decide })
            .await?;
        let version = |tenant: &Tenant, feature: &FeatureType| {
            tenant.preference(feature).map(|current| current.version)
        };
        let has_moved = |feature: &FeatureType| {
            version(&edited.before, feature) != version(&edited.after, feature)
        };
        let registry = self.registry().await?;
        let receipts = self.receipts(&tenant, &registry, &edited, has_moved).await?;
        Ok(Written {
            version: edited.after.profile_version,
            created: edited.before.number.is_none(),
            receipts,
        })
    }

    /// Takes a tenant out of everything (W8).
    pub(crate) async fn erase(&self, tenant: &TenantId, actor: String) -> Result<Erased> {
        self.0.store.erase(tenant, actor).await?.ok_or_else(|| no_tenant(tenant))
    }
}

fn read_profile(value: &Value) -> Result<Profile, Invalid> {
    let Value::Object(fields) = value else {
        return Err(Invalid::one("", "expected an object with timezone and labels"));
    };
    let mut errors = Vec::new();
    let mut note = |invalid: Invalid| errors.extend(invalid.0);
    for field in fields.keys().filter(|field| !["timezone", "labels"].contains(&field.as_str())) {
        note(Invalid::one(
            format!("/{}", field.replace('~', "~0").replace('/', "~1")),
            "unknown field; known are timezone and labels",
        ));
    }
    let timezone = match fields.get("timezone") {
        None | Some(Value::Null) => None,
        Some(value) => match value.as_str().unwrap_or_default().parse::<Zone>() {
            Ok(zone) => Some(zone),
            Err(error) => {
                note(Invalid::one("/timezone", error.to_string()));
                None
            }
        },
    };
    let labels = fields
        .get("labels")
        .map(|labels| Labels::from_json(labels, "/labels"))
        .transpose()
        .unwrap_or_else(|invalid| {
            note(invalid);
            None
        });
    if errors.is_empty() {
        Ok(Profile { timezone, labels: labels.unwrap_or_default() })
    } else {
        Err(Invalid(errors))
    }
}

fn no_tenant(tenant: &TenantId) -> ConfigServiceError {
    ConfigServiceError::NotFound(format!("tenant {:?}", tenant.as_str()))
}
