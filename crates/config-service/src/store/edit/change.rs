//! What an edit, an import and an erasure write and leave.

use std::collections::BTreeMap;

use cohort_preferences::{FeatureType, TenantId};
use jiff::Timestamp;

use super::stated::Admitted;
use super::tenant::{Profile, Tenant};
use crate::error::Result;

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
    /// Writes one preference, or deletes it with `None`.
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
