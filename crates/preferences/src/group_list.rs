//! The groups of a feature, as the Config Database lists them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::feature::FeatureDefaults;
use crate::group::StatedGroup;
use crate::id::FeatureType;

/// A stated group with its size, as `GET …/frequency-groups` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// What its users stated.
    #[serde(flatten)]
    pub group: StatedGroup,
    /// How many users it has now.
    pub count: u64,
    /// When its first user joined: it is planned from here on (F1).
    pub since: Timestamp,
    /// When its last user left; `None` while it has users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_since: Option<Timestamp>,
}

/// The stated groups of a feature, or a page of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupList {
    /// Of which feature.
    pub feature_type: FeatureType,
    /// The groups that have users, and those whose last user left not long ago.
    pub groups: Vec<GroupSummary>,
    /// The feature's own defaults, oldest first: those of now, and those that groups listed here
    /// may still be planned by. Before the first there were none (T12).
    #[serde(default)]
    pub defaults: Vec<FeatureDefaults>,
    /// The feed's position when they were read: later changes are not in the list.
    pub position: String,
    /// Every change stamped at or before this instant is in the list.
    pub complete_until: Timestamp,
    /// The cursor of the next page; `None` on the last. A list in pages is as current as its first
    /// page says.
    #[serde(default)]
    pub next_cursor: Option<String>,
}
