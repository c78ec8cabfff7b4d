//! Lists of the members of groups.

use cohort_preferences::{FeatureType, StatedGroup};
use jiff::Timestamp;

use crate::cursor::Position;

/// Asks for a page of a member list.
#[derive(Debug, Clone)]
pub(crate) struct MembersQuery {
    /// Of which feature.
    pub(crate) feature: FeatureType,
    /// Of which groups, each named once.
    pub(crate) groups: Vec<StatedGroup>,
    /// As of which instant, in whole microseconds (M1).
    pub(crate) as_of: Timestamp,
    /// Only tenants with a higher number.
    pub(crate) after: u64,
    /// At most so many.
    pub(crate) limit: usize,
}

/// A page of a member list.
#[derive(Debug, Clone)]
pub(crate) struct MemberList {
    /// Ascending by number.
    pub(crate) members: Vec<StoredMember>,
    /// The size of the whole list, counted apart from it (M8).
    pub(crate) count_as_of: u64,
    /// The feed's position.
    pub(crate) position: String,
    /// Whether members follow behind these.
    pub(crate) has_more: bool,
}

/// Asks for many member lists, each whole.
#[derive(Debug, Clone)]
pub(crate) struct ListsQuery {
    /// Of which feature.
    pub(crate) feature: FeatureType,
    /// The groups of each list, each group named once in all.
    pub(crate) lists: Vec<Vec<StatedGroup>>,
    /// As of which instant, in whole microseconds (M1).
    pub(crate) as_of: Timestamp,
    /// At most so many members in all.
    pub(crate) limit: usize,
}

/// Many member lists.
#[derive(Debug, Clone)]
pub(crate) struct WholeLists {
    /// In the order asked; `None` for one that found no room.
    pub(crate) lists: Vec<Option<StoredList>>,
    /// The feed's position.
    pub(crate) position: String,
}

/// A whole member list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StoredList {
    /// Ascending by number.
    pub(crate) members: Vec<StoredMember>,
    /// Its size, counted apart from it (M8).
    pub(crate) count_as_of: u64,
}

/// Returns which lists of these sizes fit among so many members, first come, first served.
pub(crate) fn with_room(counts: &[u64], limit: usize) -> Vec<bool> {
    let mut room = limit as u64;
    let fits = |count: &u64| {
        let rest = room.checked_sub(*count);
        room = rest.unwrap_or(room);
        rest.is_some()
    };
    counts.iter().map(fits).collect()
}

/// A member as stored: [`cohort_preferences::Member`] with the JSON as plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredMember {
    /// Who.
    pub(crate) tenant_id: String,
    /// The tenant's number.
    pub(crate) number: u64,
    /// The version of the preference in force now.
    pub(crate) version: u64,
    /// Since when in the group without a break.
    pub(crate) since: Timestamp,
    /// The preference in force now.
    pub(crate) json: Option<String>,
}

/// Asks for the members of groups among those tenants whose preference has changed since a place in
/// the feed.
#[derive(Debug, Clone)]
pub(crate) struct MovedQuery {
    /// Of which feature.
    pub(crate) feature: FeatureType,
    /// Of which groups, each named once.
    pub(crate) groups: Vec<StatedGroup>,
    /// As of which instant, in whole microseconds (M1).
    pub(crate) as_of: Timestamp,
    /// Only changes behind this one count.
    pub(crate) since: Position,
    /// The most tenants that may have changed.
    pub(crate) limit: usize,
}

/// What became of a member list since a position in the feed.
#[derive(Debug, Clone)]
pub(crate) struct MovedList {
    /// Tenants that changed and are members as of the instant, ascending by number.
    pub(crate) members: Vec<StoredMember>,
    /// Tenants that changed and are no members as of the instant.
    pub(crate) gone: Vec<u64>,
    /// The size of the whole list (M8).
    pub(crate) count_as_of: u64,
    /// The feed's position.
    pub(crate) position: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_too_long_leaves_its_room_to_the_next() {
        assert_eq!(with_room(&[4, 7, 5, 0, 2], 10), [true, false, true, true, false]);
    }
}
