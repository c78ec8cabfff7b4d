//! What a store is asked for, and the pages that it returns. Every list is cut by a limit and goes
//! on behind the last row of the page before.

mod chosen;
mod groups;
mod members;
mod tenants;
mod upkeep;

pub(crate) use self::chosen::{ChosenPage, ChosenQuery, ChosenTenant};
pub(crate) use self::groups::{GroupPage, GroupsQuery};
pub(crate) use self::members::{
    ListsQuery, MemberList, MembersQuery, MovedList, MovedQuery, StoredList, StoredMember,
    WholeLists, with_room,
};
pub(crate) use self::tenants::{
    HistoryEntry, StoredPreference, StoredTenant, TenantSummary, TenantsQuery,
};
pub(crate) use self::upkeep::{Drift, Forgotten, Miscounted, Misplaced};
