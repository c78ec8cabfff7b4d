//! What a store is asked for, and the pages that it answers with. Every list is cut by a limit and
//! goes on behind the last row of the page before.

use cohort_preferences::{
    FeatureDefaults, FeatureType, GroupSummary, LabelFilter, StatedGroup, TenantFilter, TenantId,
};
use jiff::Timestamp;

use super::edit::{Profile, Tenant};

/// Asks for a stretch of a feature's groups.
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

/// A stretch of a feature's groups.
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

/// Asks for a stretch of a member list.
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

/// A stretch of a member list.
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

/// Which lists of these sizes find room among so many members, first come, first served.
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
    pub(crate) since: i64,
    /// The most tenants that may have changed.
    pub(crate) limit: usize,
}

/// What became of a member list since a place in the feed.
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

/// Asks for tenants.
#[derive(Debug, Clone, Default)]
pub(crate) struct TenantsQuery {
    /// Only those whose id begins so; the list is then in the order of ids, else of numbers.
    pub(crate) prefix: Option<String>,
    /// Only those that carry this label now.
    pub(crate) label: Option<LabelFilter>,
    /// Only those that were there at this instant.
    pub(crate) as_of: Option<Timestamp>,
    /// Where the page before ended.
    pub(crate) after: Option<TenantsAfter>,
    /// At most so many.
    pub(crate) limit: usize,
}

/// The last tenant of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantsAfter {
    /// Its number.
    pub(crate) number: u64,
    /// Its id.
    pub(crate) tenant_id: String,
}

/// A tenant in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantSummary {
    /// Its number.
    pub(crate) number: u64,
    /// Who.
    pub(crate) tenant_id: TenantId,
    /// Since when.
    pub(crate) created_at: Timestamp,
    /// Timezone and labels.
    pub(crate) profile: Profile,
}

/// A tenant with everything.
#[derive(Debug, Clone)]
pub(crate) struct StoredTenant {
    /// Who.
    pub(crate) tenant_id: TenantId,
    /// What is known of them.
    pub(crate) tenant: Tenant,
}

/// A preference with what rules look at (W7).
#[derive(Debug, Clone)]
pub(crate) struct StoredPreference {
    /// Whose.
    pub(crate) tenant_id: TenantId,
    /// The tenant's number.
    pub(crate) number: u64,
    /// The tenant's timezone and labels.
    pub(crate) profile: Profile,
    /// Its version.
    pub(crate) version: u64,
    /// As it was stated.
    pub(crate) json: String,
}

/// Asks for tenants, whatever they prefer: for those of a filter, or that never stated a preference
/// (T13).
#[derive(Debug, Clone)]
pub(crate) struct ChosenQuery {
    /// Which ones; labels and zones are those of now.
    pub(crate) filter: TenantFilter,
    /// As of which instant, in whole microseconds.
    pub(crate) as_of: Timestamp,
    /// Only tenants with a higher number.
    pub(crate) after: u64,
    /// At most so many.
    pub(crate) limit: usize,
}

/// Some of the tenants of a [`ChosenQuery`].
#[derive(Debug, Clone)]
pub(crate) struct ChosenPage {
    /// Ascending by number.
    pub(crate) tenants: Vec<ChosenTenant>,
    /// The size of the whole list, counted apart from it, on the first page and on the last (M8).
    pub(crate) count_as_of: Option<u64>,
    /// The last number that was looked at, if tenants follow behind it: a page ends after so many
    /// looks, too.
    pub(crate) more_after: Option<u64>,
    /// The feed's position.
    pub(crate) position: String,
}

impl ChosenQuery {
    /// The last number that a page looks at, of at most so many looks. Numbers have no gaps, so
    /// that a stretch of them bounds the looks; who is named is found without looking at others.
    pub(crate) fn last_look(&self, most_looks: u64) -> u64 {
        if self.filter.tenant_ids.is_empty() {
            self.after.saturating_add(most_looks)
        } else {
            i64::MAX as u64
        }
    }
}

impl ChosenPage {
    /// The page that these tenants make, where numbers up to `last_look` were looked at and
    /// `newest` is the last there is.
    pub(crate) fn of(
        query: &ChosenQuery,
        tenants: Vec<ChosenTenant>,
        last_look: u64,
        newest: u64,
        position: String,
    ) -> Self {
        let more_after = match tenants.last() {
            Some(last) if tenants.len() == query.limit => Some(last.number),
            _ => (newest > last_look).then_some(last_look),
        };
        Self { tenants, count_as_of: None, more_after, position }
    }

    /// Whether the whole list is to be counted for this page: counting costs as much as the list.
    pub(crate) fn is_counted(&self, query: &ChosenQuery) -> bool {
        query.after == 0 || self.more_after.is_none()
    }
}

/// A tenant of a [`ChosenPage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChosenTenant {
    /// Its number.
    pub(crate) number: u64,
    /// Its id, or what stands for it once it is erased.
    pub(crate) tenant_id: String,
    /// Since when it has been there.
    pub(crate) since: Timestamp,
    /// Whether it has been erased since the instant of the list.
    pub(crate) is_erased: bool,
}

/// One change of a tenant, as the history tells it (W3).
#[derive(Debug, Clone)]
pub(crate) struct HistoryEntry {
    /// The change row.
    pub(crate) change: i64,
    /// When.
    pub(crate) at: Timestamp,
    /// Who.
    pub(crate) actor: String,
    /// Which preference; `None` for timezone and labels.
    pub(crate) feature: Option<FeatureType>,
    /// The version that it made.
    pub(crate) version: u64,
    /// What stood before; `None` if nothing, or if it is no longer kept.
    pub(crate) before: Option<String>,
    /// What it wrote; `None` if it deleted.
    pub(crate) after: Option<String>,
    /// The version of the feature's definition that it passed.
    pub(crate) rules: u64,
}

/// What was found wrong with the groups, which are kept and not computed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Drift {
    /// Preferences that were looked at.
    pub(crate) preferences: u64,
    /// Groups that were looked at.
    pub(crate) groups: u64,
    /// Users that stand in another group than their preference says, the first hundred.
    pub(crate) misplaced: Vec<(FeatureType, String)>,
    /// How many those are.
    pub(crate) misplaced_count: u64,
    /// Groups whose count is not that of their members: feature, group, kept count, true count; the
    /// first hundred.
    pub(crate) miscounted: Vec<(FeatureType, StatedGroup, u64, u64)>,
    /// How many those are.
    pub(crate) miscounted_count: u64,
    /// Whether all of it was set right.
    pub(crate) is_repaired: bool,
}

/// What was removed because it is older than what is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// Change rows.
    pub(crate) changes: u64,
    /// Counts of groups.
    pub(crate) counts: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_too_long_leaves_its_room_to_the_next() {
        assert_eq!(with_room(&[4, 7, 5, 0, 2], 10), [true, false, true, true, false]);
    }
}
