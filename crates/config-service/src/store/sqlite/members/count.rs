//! Which groups are asked for, and how many members they have.

use cohort_preferences::StatedGroup;
use rusqlite::{Connection, OptionalExtension};

use crate::error::Result;
use crate::store::names::Names;
use crate::store::sqlite::names::find_group;

/// Returns the numbers of those groups that have one.
pub(super) fn numbers(
    db: &Connection,
    names: &Names,
    feature: i64,
    groups: &[StatedGroup],
) -> Result<Vec<i64>> {
    let mut numbers = Vec::with_capacity(groups.len());
    for group in groups {
        let known = names.group_number(feature, group);
        let number =
            known.map_or_else(|| find_group(db, feature, group), |number| Ok(Some(number)));
        numbers.extend(number?);
    }
    Ok(numbers)
}

/// Returns the sizes of the groups as of the instant, together, from the count rows alone (M8).
pub(super) fn count(db: &Connection, groups: &[i64], as_of: i64) -> Result<u64> {
    let mut select = db.prepare_cached(
        "SELECT count FROM group_count WHERE group_id = ?1 AND at <= ?2 ORDER BY at DESC LIMIT 1",
    )?;
    let mut total = 0;
    for group in groups {
        let size = select.query_row((group, as_of), |row| row.get::<_, i64>("count"));
        total += size.optional()?.unwrap_or(0);
    }
    Ok(total as u64)
}
