//! Removes what is too old to be kept.

use jiff::Timestamp;
use rusqlite::Connection;

use super::feed;
use super::open::SqliteStore;
use super::row::columns;
use crate::error::Result;
use crate::store::list::Forgotten;

/// How many rows one transaction removes: it bounds how long a write waits behind it.
const ROWS_A_TURN: i64 = 5_000;

impl SqliteStore {
    /// Removes change rows and counts that are older than `before` and not needed for the present.
    pub(super) async fn forget_before(&self, before: Timestamp) -> Result<Forgotten> {
        let mut forgotten = Forgotten::default();
        let mut after = Some(0);
        while let Some(behind) = after {
            let (outdated, next) = self.read(move |db, _, _| outdated(db, behind, before)).await?;
            after = next;
            forgotten.changes += outdated.len() as u64;
            if !outdated.is_empty() {
                self.write(move |writer| remove(writer.db(), &outdated)).await?;
            }
        }
        loop {
            let removed = self.write(move |writer| remove_counts(writer.db(), before)).await?;
            forgotten.counts += removed;
            if removed == 0 {
                return Ok(forgotten);
            }
        }
    }
}

columns! {
    /// Where the columns of a change row stand that is old enough to be removed.
    OldColumns { id, is_outdated }
}

/// Returns the change rows older than `before` that are not the present state of anything, among
/// those behind `after`, and where to go on.
fn outdated(db: &Connection, after: i64, before: Timestamp) -> Result<(Vec<i64>, Option<i64>)> {
    let mut select = db.prepare_cached(
        "SELECT change.id AS id, CASE
             WHEN tenant IS NULL THEN 1
             WHEN feature IS NULL THEN NOT EXISTS (
                 SELECT 1 FROM tenant
                 WHERE tenant.id = change.tenant AND profile_change = change.id)
             ELSE NOT EXISTS (
                 SELECT 1 FROM preference
                 WHERE preference.tenant = change.tenant AND preference.feature = change.feature
                   AND change_id = change.id)
             END AS is_outdated
         FROM change WHERE change.id > ?1 AND at < ?2 ORDER BY change.id LIMIT ?3",
    )?;
    let columns = OldColumns::of(&select)?;
    let mut rows = select.query((after, before.as_microsecond(), ROWS_A_TURN))?;
    let (mut outdated, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        let id = row.get(columns.id)?;
        last = Some(id);
        if row.get(columns.is_outdated)? {
            outdated.push(id);
        }
    }
    Ok((outdated, last))
}

/// Removes change rows, after which the feed is complete only behind the newest of them.
fn remove(db: &Connection, changes: &[i64]) -> Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM change WHERE id = ?1")?;
    for change in changes {
        delete.execute([change])?;
    }
    let newest = changes.last().copied().unwrap_or(0).max(feed::oldest_kept(db)?);
    let mut keep = db.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )?;
    keep.execute((feed::OLDEST_KEPT, newest.to_string()))?;
    Ok(())
}

/// Removes some counts that are older than `before` and were replaced before it. Returns how many.
fn remove_counts(db: &Connection, before: Timestamp) -> Result<u64> {
    let mut delete = db.prepare_cached(
        "DELETE FROM group_count WHERE (group_id, at) IN (
             SELECT old.group_id, old.at FROM group_count AS old WHERE old.at < ?1
               AND EXISTS (
                   SELECT 1 FROM group_count AS newer
                   WHERE newer.group_id = old.group_id AND newer.at > old.at AND newer.at < ?1)
             LIMIT ?2)",
    )?;
    Ok(delete.execute((before.as_microsecond(), ROWS_A_TURN))? as u64)
}
