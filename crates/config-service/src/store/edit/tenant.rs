//! What is known of a tenant.

use std::collections::BTreeMap;
use std::sync::Arc;

use cohort_preferences::{FeatureType, Labels, StatedGroup, Zone};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// What is known of a tenant. The default is a tenant that never wrote.
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
    /// Returns a number that grows with each change of any preference: the version of the document
    /// (W2).
    pub(crate) fn revision(&self) -> u64 {
        self.preferences.values().map(|current| current.version).sum()
    }

    /// Returns the preference for one feature, also a deleted one, or `None` if there never was
    /// one.
    pub(crate) fn preference(&self, feature: &FeatureType) -> Option<&Current> {
        self.preferences.get(feature).map(|current| &**current)
    }

    /// Returns the preferences that are not deleted.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&FeatureType, &Current, &str)> {
        self.preferences
            .iter()
            .filter_map(|(feature, current)| Some((feature, &**current, current.json.as_deref()?)))
    }
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

impl Current {
    /// Returns the version, or `None` if the preference is deleted. Preconditions are checked
    /// against it (W2).
    pub(crate) fn live_version(&self) -> Option<u64> {
        self.json.as_ref().map(|_| self.version)
    }
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

/// What a reader of one preference is told.
#[derive(Debug, Clone)]
pub(crate) struct AsStated {
    /// Its version.
    pub(crate) version: u64,
    /// As it was stated; `None` if it is deleted.
    pub(crate) json: Option<String>,
}
