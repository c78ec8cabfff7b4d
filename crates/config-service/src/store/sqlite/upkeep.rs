//! Upkeep: whether the groups still say what the preferences say, and what is too old to be kept.

use std::collections::BTreeMap;

use cohort_preferences::{FeatureType, TenantId};
use jiff::Timestamp;
use rusqlite::Connection;

use super::write::Writer;
use super::{feed, read};
use crate::store::drift::{self, MOST_EXAMPLES, TENANTS_A_LOOK};
use crate::store::list::Drift;
use crate::store::{Result, columns};

/// Rows that are removed in one transaction: bounds how long a write waits behind it.
const ROWS_A_TURN: i64 = 5_000;

/// Users that stand in another group than their preference says, and the number behind which to go
/// on.
type Misplaced = (Vec<(TenantId, FeatureType)>, Option<u64>);

/// Users that stand in another group than their preference says, of the tenants behind `after`; and
/// where to go on.
pub(super) fn misplaced(db: &Connection, after: u64, drift: &mut Drift) -> Result<Misplaced> {
    let tenants = read::documents(db, after, TENANTS_A_LOOK)?;
    let next = tenants.last().and_then(|last| last.tenant.number).map(|number| number as u64);
    Ok((drift::misplaced(&tenants, drift)?, next))
}

/// Groups whose kept count is not the number of their members: number, kept and true count.
pub(super) fn miscounted(db: &Connection, drift: &mut Drift) -> Result<Vec<(i64, u64)>> {
    let mut members: BTreeMap<i64, i64> = BTreeMap::new();
    let mut counts = db.prepare_cached(
        "SELECT group_id, count(*) FROM preference WHERE group_id IS NOT NULL GROUP BY group_id",
    )?;
    let mut rows = counts.query([])?;
    while let Some(row) = rows.next()? {
        members.insert(row.get(0)?, row.get(1)?);
    }
    let mut select = db.prepare_cached(
        "SELECT stated_group.id, count, feature_type, frequency, time_key, timezone FROM \
         stated_group
         JOIN feature ON feature.id = feature",
    )?;
    let mut rows = select.query([])?;
    let mut wrong = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, kept): (i64, i64) = (row.get(0)?, row.get(1)?);
        let counted = members.get(&number).copied().unwrap_or(0);
        drift.groups += 1;
        if kept == counted {
            continue;
        }
        wrong.push((number, counted as u64));
        if drift.miscounted.len() < MOST_EXAMPLES {
            let (feature, frequency, time_key, timezone): (String, String, String, String) =
                (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
            let group = columns::group(&frequency, &time_key, &timezone)?;
            drift.miscounted.push((
                columns::feature_type(&feature)?,
                group,
                kept.max(0) as u64,
                counted as u64,
            ));
        }
    }
    drift.miscounted_count = wrong.len() as u64;
    Ok(wrong)
}

/// Sets the counts right from this instant on; what was counted for earlier instants stays as it
/// was.
pub(super) fn recount(writer: &Writer<'_>, mut drift: Drift) -> Result<Drift> {
    let counts = miscounted(writer.db(), &mut drift)?;
    let at = writer.stamp().as_microsecond();
    let mut update = writer.db().prepare_cached(
        "UPDATE stated_group SET count = ?2, empty_since = CASE WHEN ?2 = 0 THEN \
         coalesce(empty_since, ?3) END WHERE id = ?1",
    )?;
    let mut insert = writer
        .db()
        .prepare_cached("INSERT INTO group_count (group_id, at, count) VALUES (?1, ?2, ?3)")?;
    for (group, count) in counts {
        update.execute((group, count as i64, at))?;
        insert.execute((group, at, count as i64))?;
    }
    Ok(drift)
}

/// Change rows older than `before` that are not the present state of anything, among those behind
/// `after`; and where to go on.
pub(super) fn outdated(
    db: &Connection,
    after: i64,
    before: Timestamp,
) -> Result<(Vec<i64>, Option<i64>)> {
    let mut select = db.prepare_cached(
        "SELECT change.id, CASE WHEN tenant IS NULL THEN 1
             WHEN feature IS NULL THEN NOT EXISTS (SELECT 1 FROM tenant WHERE tenant.id = \
             change.tenant AND profile_change = change.id)
             ELSE NOT EXISTS (SELECT 1 FROM preference WHERE preference.tenant = change.tenant
                              AND preference.feature = change.feature AND change_id = change.id) END
         FROM change WHERE id > ?1 AND at < ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut rows = select.query((after, before.as_microsecond(), ROWS_A_TURN))?;
    let (mut outdated, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        last = Some(id);
        if row.get(1)? {
            outdated.push(id);
        }
    }
    Ok((outdated, last))
}

/// Removes change rows; the feed is then complete only behind the newest of them.
pub(super) fn remove(db: &Connection, changes: &[i64]) -> Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM change WHERE id = ?1")?;
    for change in changes {
        delete.execute([change])?;
    }
    let newest = changes.last().copied().unwrap_or(0).max(feed::oldest_kept(db)?);
    let mut keep = db.prepare_cached(
        "INSERT INTO meta (key, value) VALUES ('oldest_kept', ?1) ON CONFLICT (key) DO UPDATE SET \
         value = excluded.value",
    )?;
    keep.execute([newest.to_string()])?;
    Ok(())
}

/// Removes some counts older than `before` that a later one, older too, replaces; says how many.
pub(super) fn remove_counts(db: &Connection, before: Timestamp) -> Result<u64> {
    let mut delete = db.prepare_cached(
        "DELETE FROM group_count WHERE (group_id, at) IN (
             SELECT old.group_id, old.at FROM group_count AS old WHERE old.at < ?1
               AND EXISTS (SELECT 1 FROM group_count AS newer WHERE newer.group_id = old.group_id \
               AND newer.at > old.at AND newer.at < ?1)
             LIMIT ?2)",
    )?;
    Ok(delete.execute((before.as_microsecond(), ROWS_A_TURN))? as u64)
}
