//! What a store writes: preferences and profiles of tenants, as they are and as they are wanted.

use std::collections::BTreeMap;
use std::sync::Arc;

use cohort_preferences::{FeatureType, Labels, Preference, StatedGroup, TenantId, Zone};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Result;
use crate::error::ConfigServiceError;

/// A valid preference: what it means, and the JSON in which it was stated.
#[derive(Debug, Clone)]
pub(crate) struct Stated {
    /// What it means.
    pub(crate) preference: Preference,
    /// As it was stated, in compact form.
    pub(crate) json: Arc<str>,
}

/// A preference that may be written: all that is kept of it.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    /// As it was stated, in compact form.
    pub(crate) json: Arc<str>,
    /// The version of the feature's definition that it passed, 0 where none is registered (W7).
    pub(crate) rules: u64,
    /// The group that it states; `None` if it is switched off.
    group: Option<StatedGroup>,
}

impl Stated {
    /// Reads a preference that stands at `pointer` of what was sent (W1).
    pub(crate) fn read(value: &Value, pointer: &str) -> Result<Self> {
        Ok(Self::new(value, Preference::from_json(value, pointer)?))
    }

    /// A preference that was read from `value`.
    pub(crate) fn new(value: &Value, preference: Preference) -> Self {
        Self { preference, json: value.to_string().into() }
    }

    /// Reads a preference that is stored already.
    pub(crate) fn stored(json: &str) -> Result<Self> {
        let unreadable =
            |error: String| ConfigServiceError::Unreadable(format!("a preference: {error}"));
        let value: Value =
            serde_json::from_str(json).map_err(|error| unreadable(error.to_string()))?;
        let preference =
            Preference::from_json(&value, "").map_err(|invalid| unreadable(invalid.to_string()))?;
        Ok(Self { preference, json: json.into() })
    }

    /// Lets it pass under this version of the feature's definition.
    pub(crate) fn admitted(self, rules: u64) -> Admitted {
        let group = self.preference.is_enabled().then(|| self.preference.stated_group(None));
        Admitted { json: self.json, rules, group }
    }
}

impl Admitted {
    /// The group that it puts a user of this zone in; none if it is switched off.
    pub(crate) fn group(&self, timezone: Option<&Zone>) -> Option<StatedGroup> {
        Some(self.group.clone()?.or_in(timezone))
    }
}

/// Whether two texts of preferences say the same; the order of fields says nothing.
pub(crate) fn say_the_same(one: &str, other: &str) -> bool {
    let value = |text| serde_json::from_str::<Value>(text);
    one == other || value(one).is_ok_and(|one| value(other).is_ok_and(|other| one == other))
}

/// One tenant's preference for one feature as it is now.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    /// Its version; lives on when it is deleted (W2).
    pub(crate) version: u64,
    /// When it was last changed.
    pub(crate) at: Timestamp,
    /// As it was stated; `None` if it is deleted.
    pub(crate) json: Option<Arc<str>>,
    /// Its newest change row.
    pub(crate) change: i64,
    /// When its first version was written, whatever became of it since (T13).
    pub(crate) stated_since: Timestamp,
    /// Where its user is a member; `None` if it is switched off or deleted.
    pub(crate) member: Option<Membership>,
}

/// What a reader of one preference is told.
#[derive(Debug, Clone)]
pub(crate) struct AsStated {
    /// Its version.
    pub(crate) version: u64,
    /// As it was stated; `None` if it is deleted.
    pub(crate) json: Option<String>,
}

/// A membership that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    /// In which group.
    pub(crate) group: StatedGroup,
    /// Since when, without a break.
    pub(crate) since: Timestamp,
}

/// What is known of a tenant beside preferences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The zone of preferences that state none (T12).
    pub(crate) timezone: Option<Zone>,
    /// By which tenants are filtered and policies differ (W7).
    pub(crate) labels: Labels,
}

impl Profile {
    /// As it is sent and stands in the history: `{"timezone", "labels"}`.
    pub(crate) fn to_json(&self) -> Value {
        let labels: Map<String, Value> =
            self.labels.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        json!({"timezone": self.timezone.as_ref().map(Zone::name), "labels": labels})
    }
}

/// What is known of a tenant. The default is one that never wrote.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tenant {
    /// The number; `None` if it is not there.
    pub(crate) number: Option<i64>,
    /// When it first wrote; `None` if it is not there.
    pub(crate) created_at: Option<Timestamp>,
    /// Timezone and labels.
    pub(crate) profile: Profile,
    /// Grows with each change of the profile, 0 before the first.
    pub(crate) profile_version: u64,
    /// The profile's newest change row.
    pub(crate) profile_change: Option<i64>,
    /// Their preferences, deleted ones too; in an edit of one feature maybe only that one.
    pub(crate) preferences: BTreeMap<FeatureType, Arc<Current>>,
}

impl Tenant {
    /// Grows with each change of any preference: the document's version (W2).
    pub(crate) fn revision(&self) -> u64 {
        self.preferences.values().map(|current| current.version).sum()
    }

    /// The preference for one feature, deleted or not; `None` if there never was one.
    pub(crate) fn preference(&self, feature: &FeatureType) -> Option<&Current> {
        self.preferences.get(feature).map(|current| &**current)
    }

    /// The preferences that are there.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&FeatureType, &Current, &str)> {
        self.preferences
            .iter()
            .filter_map(|(feature, current)| Some((feature, &**current, current.json.as_deref()?)))
    }
}

impl Current {
    /// The version, unless it is deleted: what preconditions are checked against (W2).
    pub(crate) fn live_version(&self) -> Option<u64> {
        self.json.as_ref().map(|_| self.version)
    }
}

/// A change of one tenant in one transaction.
pub(crate) struct Edit {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// The one feature to look at, or all.
    pub(crate) feature: Option<FeatureType>,
    /// Who asked for it (W3).
    pub(crate) actor: String,
    /// Decides, on what is there inside the transaction, what is written. An error writes nothing.
    pub(crate) decide: Decide,
}

/// Says what is to be written, having seen what is there.
pub(crate) type Decide = Box<dyn FnOnce(&Tenant) -> Result<Wanted> + Send>;

/// What an edit writes; what it does not name stays.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Each feature's preference, `None` to delete it.
    pub(crate) preferences: BTreeMap<FeatureType, Option<Admitted>>,
    /// Timezone and labels. Another timezone moves the user in all features whose preference states
    /// none (T12).
    pub(crate) profile: Option<Profile>,
}

impl Wanted {
    /// One preference, `None` to delete it.
    pub(crate) fn preference(feature: FeatureType, stated: Option<Admitted>) -> Self {
        Self { preferences: BTreeMap::from([(feature, stated)]), profile: None }
    }
}

/// What an edit found and left.
#[derive(Debug)]
pub(crate) struct Edited {
    /// The tenant before.
    pub(crate) before: Tenant,
    /// The tenant after.
    pub(crate) after: Tenant,
}

/// What an erasure left of a tenant: the receipt (W8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Erased {
    /// The number that stands where the name stood.
    pub(crate) number: i64,
    /// When.
    pub(crate) at: Timestamp,
    /// How many preferences were there.
    pub(crate) preferences: u64,
    /// How many rows of the history lost their content.
    pub(crate) changes: u64,
}

/// One preference to import.
#[derive(Debug, Clone)]
pub(crate) struct ImportRow {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// For which feature.
    pub(crate) feature: FeatureType,
    /// The preference.
    pub(crate) stated: Admitted,
}
