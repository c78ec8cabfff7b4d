//! Members of groups, as the Config Database lists them (M1).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::group::StatedGroup;
use crate::id::{FeatureType, TenantId};

/// A member of a group as of an instant, with their settings of now (M3).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub tenant_id: TenantId,
    /// The Config Database's number for this tenant: never reused, ascending in member lists.
    pub number: u64,
    /// The version of `preference` (W2).
    pub version: u64,
    /// Since when the user has been in the group, without a break.
    pub member_since: Timestamp,
    /// The preference in force now; `None` if it has been deleted since.
    pub preference: Option<Box<RawValue>>,
}

/// A page of a member list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemberPage {
    /// Ascending by `number`.
    pub members: Vec<Member>,
    /// The size of the whole list as of the same instant, counted apart from it (M8).
    pub count_as_of: u64,
    /// The feed's position when the page was read: settings are as fresh as this (M3).
    pub position: String,
    /// The cursor of the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

/// Asks for the members of many groups of one feature, as one list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembersRequest {
    /// Of which feature.
    pub feature_type: FeatureType,
    /// Of which groups; a user is in at most one.
    pub groups: Vec<StatedGroup>,
    /// As of which instant (M1).
    pub as_of: Timestamp,
    /// Where to go on; `None` for the first page.
    #[serde(default)]
    pub cursor: Option<String>,
    /// The most members wanted in the page.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// Asks for the members of many lists of groups of one feature at once, each list by itself and
/// whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberListsRequest {
    /// Of which feature.
    pub feature_type: FeatureType,
    /// The groups of each list; a group is in one of them at most.
    pub lists: Vec<Vec<StatedGroup>>,
    /// As of which instant (M1).
    pub as_of: Timestamp,
    /// The most members wanted in all.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// The lists asked for, as of one instant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemberLists {
    /// One a list asked for, in the order asked; `None` for one that the limit leaves no room for:
    /// it is to be asked for in pages.
    pub lists: Vec<Option<WholeList>>,
    /// The feed's position when they were read: settings are as fresh as this (M3).
    pub position: String,
}

/// All members of a list of groups.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WholeList {
    /// Ascending by `number`.
    pub members: Vec<Member>,
    /// The size of the list as of the same instant, counted apart from it (M8).
    pub count_as_of: u64,
}

/// Asks for the preferences of up to 1,000 users for one feature.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchGetRequest {
    /// For which feature.
    pub feature_type: FeatureType,
    /// Whose.
    pub tenant_ids: Vec<TenantId>,
}

/// The preferences asked for, in the order asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BatchGetResponse {
    /// One entry a user asked for.
    pub preferences: Vec<PreferenceEntry>,
    /// The feed's position when they were read.
    pub position: String,
}

/// One user's preference for one feature, as it is now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PreferenceEntry {
    /// Whose.
    pub tenant_id: TenantId,
    /// The tenant's number; `None` if there is no such tenant.
    #[serde(default)]
    pub number: Option<u64>,
    /// Its version (W2); 0 if there never was one.
    pub version: u64,
    /// The preference; `None` if there is none now.
    pub preference: Option<Box<RawValue>>,
}
