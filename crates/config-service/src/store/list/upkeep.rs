//! What upkeep finds and removes.

use cohort_preferences::{FeatureType, StatedGroup};

/// What was found wrong with the groups, which are kept and not computed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Drift {
    /// Preferences that were looked at.
    pub(crate) preferences: u64,
    /// Groups that were looked at.
    pub(crate) groups: u64,
    /// Users that stand in another group than their preference says, the first hundred.
    pub(crate) misplaced: Vec<Misplaced>,
    /// How many those are.
    pub(crate) misplaced_count: u64,
    /// Groups whose kept count is not that of their members, the first hundred.
    pub(crate) miscounted: Vec<Miscounted>,
    /// How many those are.
    pub(crate) miscounted_count: u64,
    /// Whether all of it was set right.
    pub(crate) is_repaired: bool,
}

/// A user that stands in another group than their preference says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misplaced {
    /// Of which feature the preference is.
    pub(crate) feature: FeatureType,
    /// Who.
    pub(crate) tenant_id: String,
}

/// A group whose kept count is not the number of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Miscounted {
    /// Of which feature.
    pub(crate) feature: FeatureType,
    /// Which group.
    pub(crate) group: StatedGroup,
    /// The count that is kept.
    pub(crate) kept: u64,
    /// How many members the group has.
    pub(crate) counted: u64,
}

/// What was removed because it is older than what is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// Change rows.
    pub(crate) changes: u64,
    /// Counts of groups.
    pub(crate) counts: u64,
}
