//! A feature's groups, with the defaults that fill what they leave open.

use cohort_database::{Transaction, statement};
use cohort_preferences::{FeatureDefaults, GroupSummary, StatedGroup};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::feed;
use super::names::find_feature;
use super::row::{FromRow, query};
use crate::cursor::Incarnation;
use crate::error::Result;
use crate::store::columns::{self, instant};
use crate::store::list::{GroupPage, GroupsQuery};

/// Returns a page of a feature's groups.
pub(super) async fn groups(
    db: &Transaction<'_>,
    asked: &GroupsQuery,
    incarnation: Incarnation,
) -> Result<GroupPage> {
    let newest = feed::newest(db).await?;
    let position = feed::end(db, &newest, incarnation).await?;
    let mut page = GroupPage {
        groups: Vec::new(),
        defaults: Vec::new(),
        more_after: None,
        position,
        complete_until: newest.stamp,
    };
    let Some(feature) = find_feature(db, &asked.feature).await? else { return Ok(page) };
    page.defaults = defaults(db, feature, asked.emptied_after).await?;
    let select =
        "SELECT id, frequency, time_key, timezone, count, since, empty_since FROM stated_group
         WHERE feature = $1 AND id > $2 AND (count > 0 OR empty_since > $3) ORDER BY id LIMIT $4";
    let (emptied_after, limit) = (asked.emptied_after.as_microsecond(), asked.limit as i64 + 1);
    let mut rows =
        statement::query(db, select, &[&feature, &asked.after, &emptied_after, &limit]).await?;
    if rows.len() > asked.limit {
        rows.truncate(asked.limit);
        page.more_after = Some(rows.last().map_or(asked.after, |row| row.get("id")));
    }
    page.groups = rows.iter().map(GroupSummary::from_row).collect::<Result<_>>()?;
    Ok(page)
}

impl FromRow for GroupSummary {
    fn from_row(row: &Row) -> Result<Self> {
        let empty_since: Option<i64> = row.get("empty_since");
        Ok(Self {
            group: StatedGroup::from_row(row)?,
            count: row.get::<_, i64>("count") as u64,
            since: instant(row.get("since"))?,
            empty_since: empty_since.map(instant).transpose()?,
        })
    }
}

/// Returns the defaults of a feature that hold now or held later than `after`, oldest first.
async fn defaults(
    db: &Transaction<'_>,
    feature: i64,
    after: Timestamp,
) -> Result<Vec<FeatureDefaults>> {
    let select = "SELECT at, definition FROM feature_definition
         WHERE feature = $1 AND version >= coalesce(
             (SELECT max(version) FROM feature_definition WHERE feature = $1 AND at <= $2), 1)
         ORDER BY version";
    query(db, select, &[&feature, &after.as_microsecond()]).await
}

impl FromRow for FeatureDefaults {
    fn from_row(row: &Row) -> Result<Self> {
        columns::defaults(row.get("at"), row.get("definition"))
    }
}
