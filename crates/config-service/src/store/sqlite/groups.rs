//! A feature's groups, with the defaults that fill what they leave open.

use cohort_preferences::{FeatureDefaults, GroupSummary};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::feed;
use super::names::find_feature;
use super::row::{FromRow, columns, query};
use crate::cursor::Incarnation;
use crate::error::Result;
use crate::store::columns::{self, instant};
use crate::store::list::{GroupPage, GroupsQuery};

columns! {
    /// Where the columns of a group stand.
    GroupColumns { id, frequency, time_key, timezone, count, since, empty_since }
}

/// Returns a page of a feature's groups.
pub(super) fn groups(
    db: &Connection,
    asked: &GroupsQuery,
    incarnation: Incarnation,
    complete_until: Timestamp,
) -> Result<GroupPage> {
    let position = feed::end(db, incarnation)?;
    let mut page = GroupPage {
        groups: Vec::new(),
        defaults: Vec::new(),
        more_after: None,
        position,
        complete_until,
    };
    let Some(feature) = find_feature(db, &asked.feature)? else { return Ok(page) };
    page.defaults = defaults(db, feature, asked.emptied_after)?;
    let mut select = db.prepare_cached(
        "SELECT id, frequency, time_key, timezone, count, since, empty_since FROM stated_group
         WHERE feature = ?1 AND id > ?2 AND (count > 0 OR empty_since > ?3) ORDER BY id LIMIT ?4",
    )?;
    let columns = GroupColumns::of(&select)?;
    let emptied_after = asked.emptied_after.as_microsecond();
    let mut rows = select.query((feature, asked.after, emptied_after, asked.limit as i64 + 1))?;
    let mut last = asked.after;
    while let Some(row) = rows.next()? {
        if page.groups.len() == asked.limit {
            page.more_after = Some(last);
            break;
        }
        page.groups.push(columns.summary(row)?);
        last = row.get(columns.id)?;
    }
    Ok(page)
}

impl GroupColumns {
    fn summary(&self, row: &Row<'_>) -> Result<GroupSummary> {
        let (frequency, time_key, timezone): (String, String, String) =
            (row.get(self.frequency)?, row.get(self.time_key)?, row.get(self.timezone)?);
        let empty_since: Option<i64> = row.get(self.empty_since)?;
        Ok(GroupSummary {
            group: columns::group(&frequency, &time_key, &timezone)?,
            count: row.get::<_, i64>(self.count)? as u64,
            since: instant(row.get(self.since)?)?,
            empty_since: empty_since.map(instant).transpose()?,
        })
    }
}

/// Returns the defaults of a feature that hold now or held later than `after`, oldest first.
fn defaults(db: &Connection, feature: i64, after: Timestamp) -> Result<Vec<FeatureDefaults>> {
    let select = "SELECT at, definition FROM feature_definition
         WHERE feature = ?1 AND version >= coalesce(
             (SELECT max(version) FROM feature_definition WHERE feature = ?1 AND at <= ?2), 1)
         ORDER BY version";
    query(db, select, (feature, after.as_microsecond()))
}

impl FromRow for FeatureDefaults {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        columns::defaults(row.get("at")?, &row.get::<_, String>("definition")?)
    }
}
