//! Upkeep: whether the groups still say what the preferences say, and what is too old to be kept.

use cohort_database::Transaction;
use cohort_preferences::{FeatureType, TenantId};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::read;
use super::write::Writer;
use crate::store::drift::{self, MOST_EXAMPLES, TENANTS_A_LOOK};
use crate::store::list::Drift;
use crate::store::{Result, columns};
use cohort_database::statement::{execute, query};

/// Rows that are removed in one transaction: bounds how long a write waits behind it.
const ROWS_A_TURN: i64 = 5_000;

/// Users that stand in another group than their preference says, of the tenants behind `after`; and
/// where to go on.
pub(super) async fn misplaced(
    db: &Transaction<'_>,
    after: u64,
    drift: &mut Drift,
) -> Result<(Vec<(TenantId, FeatureType)>, Option<u64>)> {
    let tenants = read::documents(db, after, TENANTS_A_LOOK).await?;
    let next = tenants.last().and_then(|last| last.tenant.number).map(|number| number as u64);
    Ok((drift::misplaced(&tenants, drift)?, next))
}

/// Groups whose kept count is not the number of their members: number and true count.
pub(super) async fn miscounted(db: &Transaction<'_>, drift: &mut Drift) -> Result<Vec<(i64, i64)>> {
    let select = "SELECT stated_group.id, count, coalesce(members, 0), feature_type, frequency, \
        time_key, timezone
         FROM stated_group JOIN feature ON feature.id = feature
         LEFT JOIN (SELECT group_id, count(*) AS members FROM preference WHERE group_id IS NOT \
         NULL GROUP BY group_id) AS counted
             ON group_id = stated_group.id ORDER BY stated_group.id";
    let mut wrong = Vec::new();
    for row in query(db, select, &[]).await? {
        let (number, kept, counted): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        drift.groups += 1;
        if kept == counted {
            continue;
        }
        wrong.push((number, counted));
        if drift.miscounted.len() < MOST_EXAMPLES {
            let group = columns::group(row.get(4), row.get(5), row.get(6))?;
            drift.miscounted.push((
                columns::feature_type(row.get(3))?,
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
pub(super) async fn recount(writer: &mut Writer<'_>, mut drift: Drift) -> Result<Drift> {
    let counts = miscounted(writer.db(), &mut drift).await?;
    let at = writer.stamp().as_microsecond();
    let (groups, counts): (Vec<i64>, Vec<i64>) = counts.into_iter().unzip();
    let update = "WITH counted AS (SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS counted \
        (id, members)),
             noted AS (INSERT INTO group_count (group_id, at, count) SELECT id, $3, members FROM \
             counted)
         UPDATE stated_group SET count = members, empty_since = CASE WHEN members = 0 THEN \
         coalesce(empty_since, $3) END
         FROM counted WHERE counted.id = stated_group.id";
    execute(writer.db(), update, &[&groups, &counts, &at]).await?;
    Ok(drift)
}

/// Change rows older than `before` that are not the present state of anything, among those behind
/// `after`; and where to go on.
pub(super) async fn outdated(
    db: &Transaction<'_>,
    after: i64,
    before: Timestamp,
) -> Result<(Vec<i64>, Option<i64>)> {
    let select = "SELECT change.id, CASE WHEN tenant IS NULL THEN true
             WHEN feature IS NULL THEN NOT EXISTS (SELECT 1 FROM tenant WHERE tenant.id = \
             change.tenant AND profile_change = change.id)
             ELSE NOT EXISTS (SELECT 1 FROM preference WHERE preference.tenant = change.tenant
                              AND preference.feature = change.feature AND change_id = change.id) END
         FROM (SELECT * FROM change WHERE id > $1 AND at < $2 ORDER BY id LIMIT $3) AS change \
         ORDER BY id";
    let rows = query(db, select, &[&after, &before.as_microsecond(), &ROWS_A_TURN]).await?;
    let outdated = rows.iter().filter(|row| row.get(1)).map(|row: &Row| row.get(0)).collect();
    Ok((outdated, rows.last().map(|row| row.get(0))))
}

/// Removes change rows; the feed is then complete only behind the newest of them.
pub(super) async fn remove(writer: &Writer<'_>, changes: &[i64]) -> Result<()> {
    execute(writer.db(), "DELETE FROM change WHERE id = ANY($1)", &[&changes]).await?;
    let newest = changes.last().copied().unwrap_or(0);
    execute(writer.db(), "UPDATE head SET oldest_kept = greatest(oldest_kept, $1)", &[&newest])
        .await?;
    Ok(())
}

/// Removes some counts older than `before` that a later one, older too, replaces; says how many.
pub(super) async fn remove_counts(writer: &Writer<'_>, before: Timestamp) -> Result<u64> {
    let delete = "DELETE FROM group_count USING (
             SELECT old.group_id, old.at FROM group_count AS old WHERE old.at < $1
               AND EXISTS (SELECT 1 FROM group_count AS newer WHERE newer.group_id = old.group_id \
               AND newer.at > old.at AND newer.at < $1)
             LIMIT $2) AS old
         WHERE group_count.group_id = old.group_id AND group_count.at = old.at";
    Ok(execute(writer.db(), delete, &[&before.as_microsecond(), &ROWS_A_TURN]).await?)
}
