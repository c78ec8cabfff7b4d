//! The rows that a plan writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use cohort_preferences::{FeatureType, StatedGroup, TenantId};
use jiff::Timestamp;

use crate::store::edit::{Current, Membership, Profile};

/// What is to be written, each list in the order of writing.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Tenants that were not there.
    pub(crate) tenants: Vec<TenantRow>,
    /// Tenants whose profile changed, the last change of each.
    pub(crate) profiles: BTreeMap<i64, ProfileRow>,
    /// New change rows, ascending by id.
    pub(crate) changes: Vec<ChangeRow>,
    /// The state of each preference after its change; of one that changed twice, both states.
    pub(crate) preferences: Vec<PreferenceRow>,
    /// Whether a preference stands in `preferences` twice.
    pub(crate) has_repeats: bool,
    /// By how much each group grew at which stamp, ascending by stamp; never 0.
    pub(crate) moves: Vec<Move>,
}

/// A new tenant.
#[derive(Debug)]
pub(crate) struct TenantRow {
    pub(crate) number: i64,
    pub(crate) name: TenantId,
    pub(crate) created_at: Timestamp,
}

/// A tenant's new profile.
#[derive(Debug)]
pub(crate) struct ProfileRow {
    pub(crate) profile: Profile,
    pub(crate) version: u64,
    pub(crate) change: i64,
}

/// A row of the append-only table.
#[derive(Debug)]
pub(crate) struct ChangeRow {
    pub(crate) id: i64,
    pub(crate) at: Timestamp,
    pub(crate) tenant: i64,
    /// `None` where the profile changed.
    pub(crate) feature: Option<FeatureType>,
    pub(crate) version: u64,
    pub(crate) previous: Option<i64>,
    pub(crate) left: Option<Membership>,
    pub(crate) joined: Option<StatedGroup>,
    pub(crate) json: Option<Arc<str>>,
    pub(crate) actor: Arc<str>,
    pub(crate) rules: u64,
}

/// The new state of a preference.
#[derive(Debug)]
pub(crate) struct PreferenceRow {
    pub(crate) tenant: i64,
    pub(crate) feature: FeatureType,
    pub(crate) current: Arc<Current>,
    /// Whether the tenant had no preference of this feature, not even a deleted one.
    pub(crate) is_first: bool,
}

/// A group that grew or shrank.
#[derive(Debug)]
pub(crate) struct Move {
    pub(crate) at: Timestamp,
    pub(crate) feature: FeatureType,
    pub(crate) group: StatedGroup,
    pub(crate) by: i64,
}
