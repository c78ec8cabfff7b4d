//! A feature's groups.

use cohort_preferences::{FeatureType, GroupList};
use jiff::SignedDuration;

use super::bounds::bounded;
use super::config_service::ConfigService;
use crate::error::Result;
use crate::store::list::GroupsQuery;

/// How long a group that lost its last member is still listed: its last occurrences may be
/// unplanned (F1).
const EMPTY_GROUPS_LISTED_FOR: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The most groups of a page, and how many it has if the request does not say: whoever follows the
/// feed needs all of them as of one moment.
const MOST_LISTED_GROUPS: usize = 1_000_000;

impl ConfigService {
    /// Returns a page of a feature's groups.
    #[tracing::instrument(level = "debug", skip_all, fields(%feature))]
    pub(crate) async fn groups(
        &self,
        feature: FeatureType,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<GroupList> {
        let incarnation = self.0.store.incarnation();
        let emptied_after = self.0.clock.now().saturating_sub(EMPTY_GROUPS_LISTED_FOR);
        let query = GroupsQuery {
            feature: feature.clone(),
            emptied_after: emptied_after.expect("a duration never fails to be subtracted"),
            after: cursor.map(|cursor| incarnation.row_after(cursor)).transpose()?.unwrap_or(0),
            limit: bounded("limit", limit, MOST_LISTED_GROUPS, MOST_LISTED_GROUPS)?,
        };
        let page = self.0.store.groups(query).await?;
        Ok(GroupList {
            feature_type: feature,
            groups: page.groups,
            defaults: page.defaults,
            position: page.position,
            complete_until: page.complete_until,
            next_cursor: page.more_after.map(|last| incarnation.row_cursor(last)),
        })
    }
}
