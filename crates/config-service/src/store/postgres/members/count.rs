//! Which groups are asked for, and how many members they have.

use cohort_database::Transaction;
use cohort_database::statement::query;
use cohort_preferences::StatedGroup;
use tokio_postgres::Row;

use crate::error::Result;
use crate::store::names::Names;
use crate::store::postgres::names::find_groups;

/// Returns the numbers of those groups that have one.
pub(super) async fn numbers(
    db: &Transaction<'_>,
    names: &Names,
    feature: i64,
    groups: &[StatedGroup],
) -> Result<Vec<i64>> {
    let mut numbers = Vec::with_capacity(groups.len());
    let mut unknown = Vec::new();
    for group in groups {
        match names.group_number(feature, group) {
            Some(number) => numbers.push(number),
            None => unknown.push((feature, group)),
        }
    }
    if !unknown.is_empty() {
        numbers.extend(find_groups(db, &unknown).await?.into_values());
    }
    Ok(numbers)
}

/// Returns the sizes of the groups as of the instant, together.
pub(super) async fn count(db: &Transaction<'_>, groups: &[i64], as_of: i64) -> Result<u64> {
    Ok(sizes(db, groups, as_of).await?.into_iter().map(|(_, size)| size).sum())
}

/// Returns the size of each group as of the instant, from the count rows alone (M8); a group that
/// had none yet is left out.
pub(super) async fn sizes(
    db: &Transaction<'_>,
    groups: &[i64],
    as_of: i64,
) -> Result<Vec<(i64, u64)>> {
    let select = "SELECT asked.id AS id, newest.count AS count
         FROM unnest($1::bigint[]) AS asked (id)
         CROSS JOIN LATERAL (
             SELECT count FROM group_count WHERE group_id = asked.id AND at <= $2
             ORDER BY at DESC LIMIT 1) AS newest";
    let size = |row: &Row| (row.get("id"), row.get::<_, i64>("count") as u64);
    Ok(query(db, select, &[&groups, &as_of]).await?.iter().map(size).collect())
}
