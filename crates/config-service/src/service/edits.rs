//! What an edit means: preferences, documents and profiles of tenants.

use std::collections::BTreeMap;
use std::sync::Arc;

use cohort_preferences::{
    FeatureType, Invalid, Labels, Preference, PreferenceDocument, Receipt, TenantId, Zone,
};
use jiff::Timestamp;
use serde_json::Value;

use super::ConfigService;
use super::limits::check_preference;
use super::rules::Registry;
use crate::error::ConfigServiceError;
use crate::import::Row;
use crate::precondition::Precondition;
use crate::receipt::next_run;
use crate::store::Result;
use crate::store::edit::{
    Admitted, Current, Decide, Edit, Edited, Erased, ImportRow, Profile, Stated, Tenant, Wanted,
    say_the_same,
};

/// A write of one preference, of the document or of the profile: which version it is now, and what
/// it means.
pub(crate) struct Written {
    /// The resource's version after the write.
    pub(crate) version: u64,
    /// Whether the resource was not there before.
    pub(crate) created: bool,
    /// The receipt of each feature that the write concerned.
    pub(crate) receipts: BTreeMap<FeatureType, Receipt>,
}

impl ConfigService {
    /// One preference as it was stated, with its version.
    pub(crate) async fn preference(
        &self,
        tenant: &TenantId,
        feature: &FeatureType,
    ) -> Result<(u64, String)> {
        let current = self.0.store.preference(tenant, feature).await?;
        let live = current.and_then(|current| Some((current.version, current.json?)));
        live.ok_or_else(|| no_preference(tenant, feature))
    }

    /// Everything that a tenant prefers.
    pub(crate) async fn document(&self, tenant: &TenantId) -> Result<Tenant> {
        let found = self.0.store.tenant(tenant).await?;
        let there = found.filter(|tenant| tenant.live().next().is_some());
        there.ok_or_else(|| no_document(tenant))
    }

    /// What is known of a tenant, with or without preferences.
    pub(crate) async fn profile(&self, tenant: &TenantId) -> Result<Tenant> {
        self.0.store.tenant(tenant).await?.ok_or_else(|| no_tenant(tenant))
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

    /// Writes one preference as an earlier version of it stood (W3); it must pass the rules of now.
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

    /// What a version of a preference said, `None` if that version was a deletion.
    async fn stated_at(
        &self,
        tenant: &TenantId,
        feature: &FeatureType,
        version: u64,
    ) -> Result<Option<Stated>> {
        let mut before = i64::MAX;
        loop {
            let entries = self
                .0
                .store
                .history(tenant, Some(feature.clone()), before, super::lists::ENTRIES_A_PAGE)
                .await?;
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

    /// Edits one preference; `decide` says what it is to be, having seen what it is.
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
            .edit(Edit { tenant, feature: Some(feature.clone()), actor, decide })
            .await?;
        Ok(Written {
            version: edited.after.preference(&feature).map_or(0, |current| current.version),
            created: edited.before.preference(&feature).and_then(Current::live_version).is_none(),
            receipts: self.receipts(&registry, &edited, |name| *name == feature)?,
        })
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
        let edited = self.0.store.edit(Edit { tenant, feature: None, actor, decide }).await?;
        let live_before: Vec<_> =
            edited.before.live().map(|(feature, ..)| feature.clone()).collect();
        let is_live = |feature: &FeatureType| {
            edited.after.preference(feature).and_then(Current::live_version).is_some()
        };
        let receipts = self.receipts(&registry, &edited, |feature| {
            live_before.contains(feature) || is_live(feature)
        })?;
        Ok(Written { version: edited.after.revision(), created: live_before.is_empty(), receipts })
    }

    /// Replaces a tenant's timezone and labels; the receipts are of the features that another
    /// timezone moved (T12).
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
        let edited = self.0.store.edit(Edit { tenant, feature: None, actor, decide }).await?;
        let version = |tenant: &Tenant, feature: &FeatureType| {
            tenant.preference(feature).map(|current| current.version)
        };
        let has_moved = |feature: &FeatureType| {
            version(&edited.before, feature) != version(&edited.after, feature)
        };
        let receipts = self.receipts(&*self.registry().await?, &edited, has_moved)?;
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

    fn receipts(
        &self,
        registry: &Registry,
        edited: &Edited,
        is_concerned: impl Fn(&FeatureType) -> bool,
    ) -> Result<BTreeMap<FeatureType, Receipt>> {
        let concerned =
            edited.after.preferences.iter().filter(|(feature, _)| is_concerned(feature));
        concerned
            .map(|(feature, current)| {
                let is_changed = edited.before.preference(feature).map(|before| before.version)
                    != Some(current.version);
                // A write that changed nothing took effect long ago, but its next run is still to
                // come.
                let from = if is_changed { current.at } else { current.at.max(self.0.clock.now()) };
                Ok((
                    feature.clone(),
                    receipt(
                        registry,
                        feature,
                        current,
                        edited.after.profile.timezone.as_ref(),
                        from,
                    )?,
                ))
            })
            .collect()
    }

    /// Lets preferences of an import pass, with the labels of their tenants as they are now; the
    /// result of each in its place.
    pub(crate) async fn admit(&self, rows: Vec<Row>) -> Result<Vec<Result<ImportRow, Invalid>>> {
        let registry = self.registry().await?;
        if registry.all().next().is_none() {
            return Ok(rows.into_iter().map(|row| Ok(row.admitted(0))).collect());
        }
        let tenants = rows.iter().map(|row| row.tenant.clone()).collect();
        let labels = self.0.store.labels(tenants).await?;
        let none = Labels::default();
        let admit = |row: Row| {
            let Row { tenant, feature, stated } = row;
            let stated =
                registry.admit(&feature, stated, labels.get(&tenant).unwrap_or(&none), "")?;
            Ok(ImportRow { tenant, feature, stated })
        };
        Ok(rows.into_iter().map(admit).collect())
    }

    /// Writes many preferences in one transaction; says for each whether it changed anything.
    pub(crate) async fn import(&self, rows: Vec<ImportRow>, actor: String) -> Result<Vec<bool>> {
        self.0.store.import(rows, actor).await
    }
}

/// What a document writes: the features that it states, and the deletion of those that it omits.
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

/// What a write answers (M7), with the next run after `from`.
fn receipt(
    registry: &Registry,
    feature: &FeatureType,
    current: &Current,
    timezone: Option<&Zone>,
    from: Timestamp,
) -> Result<Receipt> {
    let preference =
        current.json.as_deref().map(Stated::stored).transpose()?.map(|stated| stated.preference);
    let next_run = next_run(preference.as_ref(), timezone, &registry.defaults(feature), from);
    Ok(Receipt { version: current.version, takes_effect_at: current.at, next_run })
}

fn name_of(tenant: &TenantId, feature: &FeatureType) -> String {
    format!("preference of tenant {tenant:?} for {feature}", tenant = tenant.as_str())
}

fn no_preference(tenant: &TenantId, feature: &FeatureType) -> ConfigServiceError {
    ConfigServiceError::NotFound(name_of(tenant, feature))
}

fn no_document(tenant: &TenantId) -> ConfigServiceError {
    ConfigServiceError::NotFound(format!(
        "document feature_preferences of tenant {:?}",
        tenant.as_str()
    ))
}

fn no_tenant(tenant: &TenantId) -> ConfigServiceError {
    ConfigServiceError::NotFound(format!("tenant {:?}", tenant.as_str()))
}
