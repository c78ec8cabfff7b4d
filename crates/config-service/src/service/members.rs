//! Members of groups as of an instant (M1).

use std::collections::HashSet;

use cohort_preferences::{FeatureType, Invalid, MemberListsRequest, StatedGroup};
use jiff::Timestamp;

use super::bounds::{MEMBERS_A_PAGE, MOST_MEMBERS, bounded, too_many};
use super::config_service::ConfigService;
use crate::cursor::MembersAfter;
use crate::error::{ConfigServiceError, Result};
use crate::store::list::{ListsQuery, MemberList, MembersQuery, MovedList, MovedQuery, WholeLists};
use crate::store::settled::whole_micros;

/// The most groups in one members request.
const MOST_GROUPS: usize = 1_000;

/// The most tenants that may have changed for a list of what became of members.
const MOST_MOVED: usize = 10_000;

/// Asks for a page of a member list.
pub(crate) struct ListRequest {
    /// Of which feature.
    pub(crate) feature: FeatureType,
    /// Of which groups.
    pub(crate) groups: Vec<StatedGroup>,
    /// As of which instant; if not said, that of the cursor, or else now.
    pub(crate) as_of: Option<Timestamp>,
    /// Where to go on.
    pub(crate) cursor: Option<String>,
    /// At most so many members.
    pub(crate) limit: Option<usize>,
}

/// A page of members and the cursor of the next.
pub(crate) struct MemberPage {
    /// The page.
    pub(crate) list: MemberList,
    /// `None` on the last page.
    pub(crate) next_cursor: Option<String>,
}

impl ConfigService {
    /// Returns a page of a member list.
    #[tracing::instrument(
        level = "debug",
        skip_all,
        fields(feature = %request.feature, groups = request.groups.len())
    )]
    pub(crate) async fn members(&self, request: ListRequest) -> Result<MemberPage> {
        let groups = distinct(request.groups)?;
        let incarnation = self.0.store.incarnation();
        let after = request.cursor.map(|cursor| self.members_after(&cursor)).transpose()?;
        let as_of = self.instant_of_list(request.as_of, after)?;
        let query = MembersQuery {
            feature: request.feature,
            groups,
            as_of,
            after: after.map_or(0, |after| after.number),
            limit: bounded("limit", request.limit, MEMBERS_A_PAGE, MOST_MEMBERS)?,
        };
        let list = self.0.store.members(query).await?;
        let last = list.members.last().filter(|_| list.has_more);
        let next_cursor = last
            .map(|last| incarnation.members_cursor(MembersAfter { as_of, number: last.number }));
        Ok(MemberPage { list, next_cursor })
    }

    /// Returns many member lists, each whole.
    #[tracing::instrument(
        level = "debug",
        skip_all,
        fields(feature = %request.feature_type, lists = request.lists.len())
    )]
    pub(crate) async fn member_lists(&self, request: MemberListsRequest) -> Result<WholeLists> {
        let asked: usize = request.lists.iter().map(Vec::len).sum();
        if asked > MOST_GROUPS {
            return Err(too_many("/lists", asked, MOST_GROUPS));
        }
        let named: HashSet<&StatedGroup> = request.lists.iter().flatten().collect();
        if named.len() < asked {
            return Err(Invalid::one("/lists", "names a group twice").into());
        }
        let as_of = whole_micros(request.as_of);
        let limit = bounded("limit", request.limit, MEMBERS_A_PAGE, MOST_MEMBERS)?;
        self.0
            .store
            .member_lists(ListsQuery {
                feature: request.feature_type,
                lists: request.lists,
                as_of,
                limit,
            })
            .await
    }

    /// Returns what became of a member list since a position of the feed.
    #[tracing::instrument(level = "debug", skip_all, fields(%feature, groups = groups.len()))]
    pub(crate) async fn moved(
        &self,
        feature: FeatureType,
        groups: Vec<StatedGroup>,
        as_of: Option<Timestamp>,
        changed_since: &str,
    ) -> Result<MovedList> {
        let groups = distinct(groups)?;
        let since = self.0.store.incarnation().position_of(changed_since, "changed_since")?;
        let as_of = self.instant_of_list(as_of, None)?;
        self.0.store.moved(MovedQuery { feature, groups, as_of, since, limit: MOST_MOVED }).await
    }

    /// Reads a member list's cursor. It goes by a number and an instant, so that one of a database
    /// that this is a copy of is as good (F11).
    pub(super) fn members_after(&self, cursor: &str) -> Result<MembersAfter> {
        let own = self.0.store.incarnation().members_after(cursor);
        if !matches!(own, Err(ConfigServiceError::CursorGone)) {
            return own;
        }
        let of_copied = self.0.store.copied_from().iter();
        of_copied.map(|before| before.members_after(cursor)).find(Result::is_ok).unwrap_or(own)
    }

    /// Returns the instant of a list. All pages of a list are of one instant, which the cursor
    /// carries.
    pub(super) fn instant_of_list(
        &self,
        asked: Option<Timestamp>,
        after: Option<MembersAfter>,
    ) -> Result<Timestamp> {
        let (asked, begun) = (asked.map(whole_micros), after.map(|after| after.as_of));
        match (asked, begun) {
            (Some(asked), Some(begun)) if asked != begun => Err(ConfigServiceError::Parameter(
                format!("as_of: this cursor goes on with the list as of {begun}, not {asked}"),
            )),
            _ => Ok(asked.or(begun).unwrap_or_else(|| whole_micros(self.0.clock.now()))),
        }
    }
}

fn distinct(mut groups: Vec<StatedGroup>) -> Result<Vec<StatedGroup>> {
    if groups.len() > MOST_GROUPS {
        return Err(too_many("/groups", groups.len(), MOST_GROUPS));
    }
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}
