//! Pages of a feature's groups.

use cohort_preferences::{FeatureDefaults, FeatureType, GroupSummary};
use jiff::Timestamp;

/// Asks for a page of a feature's groups.
#[derive(Debug, Clone)]
pub(crate) struct GroupsQuery {
    /// Of which feature.
    pub(crate) feature: FeatureType,
    /// Groups that lost their last member later than this are listed too.
    pub(crate) emptied_after: Timestamp,
    /// Only groups with a higher number.
    pub(crate) after: i64,
    /// At most so many.
    pub(crate) limit: usize,
}

/// A page of a feature's groups.
#[derive(Debug, Clone)]
pub(crate) struct GroupPage {
    /// Ascending by number.
    pub(crate) groups: Vec<GroupSummary>,
    /// The feature's defaults that hold now or held later than the query's `emptied_after`, oldest
    /// first.
    pub(crate) defaults: Vec<FeatureDefaults>,
    /// The number of the last group of the page, if groups follow behind it.
    pub(crate) more_after: Option<i64>,
    /// The feed's position when they were read.
    pub(crate) position: String,
    /// Every change stamped at or before this instant is in the page.
    pub(crate) complete_until: Timestamp,
}
