//! Removes what is too old to be kept.

use cohort_database::statement::{execute, query};
use cohort_database::{Transaction, limits};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::open::PostgresStore;
use super::writer::Writer;
use crate::error::Result;
use crate::store::list::Forgotten;

/// How many rows one transaction removes: it bounds how long a write waits behind it.
const ROWS_A_TURN: i64 = 5_000;

impl PostgresStore {
    /// Removes change rows and counts that are older than `before` and not needed for the present.
    pub(super) async fn forget_before(&self, before: Timestamp) -> Result<Forgotten> {
        let mut forgotten = Forgotten::default();
        let mut after = Some(0);
        while let Some(behind) = after {
            let (outdated, next) = {
                let mut reader = self.upkeep_reader().await?;
                outdated(&reader.snapshot().await?, behind, before).await?
            };
            after = next;
            forgotten.changes += outdated.len() as u64;
            if !outdated.is_empty() {
                let mut session = self.session().await;
                let writer = session.begin_within(limits::LONG).await?;
                remove(&writer, &outdated).await?;
                writer.commit().await?;
            }
        }
        loop {
            let mut session = self.session().await;
            let writer = session.begin_within(limits::LONG).await?;
            let removed = remove_counts(&writer, before).await?;
            writer.commit().await?;
            forgotten.counts += removed;
            if removed == 0 {
                return Ok(forgotten);
            }
        }
    }
}

/// Returns the change rows older than `before` that are not the present state of anything, among
/// those behind `after`, and where to go on.
async fn outdated(
    db: &Transaction<'_>,
    after: i64,
    before: Timestamp,
) -> Result<(Vec<i64>, Option<i64>)> {
    let select = "SELECT change.id AS id, CASE
             WHEN tenant IS NULL THEN true
             WHEN feature IS NULL THEN NOT EXISTS (
                 SELECT 1 FROM tenant
                 WHERE tenant.id = change.tenant AND profile_change = change.id)
             ELSE NOT EXISTS (
                 SELECT 1 FROM preference
                 WHERE preference.tenant = change.tenant AND preference.feature = change.feature
                   AND change_id = change.id)
             END AS is_outdated
         FROM (SELECT * FROM change WHERE id > $1 AND at < $2 ORDER BY id LIMIT $3) AS change
         ORDER BY id";
    let rows = query(db, select, &[&after, &before.as_microsecond(), &ROWS_A_TURN]).await?;
    let id = |row: &Row| row.get("id");
    let outdated = rows.iter().filter(|row| row.get("is_outdated")).map(id).collect();
    Ok((outdated, rows.last().map(id)))
}

/// Removes change rows, after which the feed is complete only behind the newest of them.
async fn remove(writer: &Writer<'_>, changes: &[i64]) -> Result<()> {
    execute(writer.db(), "DELETE FROM change WHERE id = ANY($1)", &[&changes]).await?;
    let newest = changes.last().copied().unwrap_or(0);
    execute(writer.db(), "UPDATE head SET oldest_kept = greatest(oldest_kept, $1)", &[&newest])
        .await?;
    Ok(())
}

/// Removes some counts that are older than `before` and were replaced before it. Returns how many.
async fn remove_counts(writer: &Writer<'_>, before: Timestamp) -> Result<u64> {
    let delete = "DELETE FROM group_count USING (
             SELECT old.group_id, old.at FROM group_count AS old WHERE old.at < $1
               AND EXISTS (
                   SELECT 1 FROM group_count AS newer
                   WHERE newer.group_id = old.group_id AND newer.at > old.at AND newer.at < $1)
             LIMIT $2) AS old
         WHERE group_count.group_id = old.group_id AND group_count.at = old.at";
    Ok(execute(writer.db(), delete, &[&before.as_microsecond(), &ROWS_A_TURN]).await?)
}
