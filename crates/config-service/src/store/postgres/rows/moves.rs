//! Writes how the sizes of groups change.

use std::collections::HashMap;

use cohort_database::Transaction;
use cohort_database::statement::{Bound, execute, query};
use tokio_postgres::Row;

use super::known::Known;
use crate::error::Result;
use crate::store::columns;
use crate::store::plan::Move;

/// The size of a group as moves change it.
struct Size {
    count: i64,
    empty_since: Option<i64>,
}

pub(super) async fn write_moves(
    db: &Transaction<'_>,
    known: &Known<'_>,
    moves: &[Move],
) -> Result<()> {
    if moves.is_empty() {
        return Ok(());
    }
    let moved = moves
        .iter()
        .map(|moved| known.group(known.feature(&moved.feature)?, &moved.group))
        .collect::<Result<Vec<i64>>>()?;
    let mut sizes = sizes(db, &moved).await?;
    let (at, by): (Vec<i64>, Vec<i64>) =
        moves.iter().map(|moved| (moved.at.as_microsecond(), moved.by)).unzip();
    let mut counts = Vec::with_capacity(moves.len());
    for ((group, at), by) in moved.iter().zip(&at).zip(&by) {
        let size =
            sizes.get_mut(group).ok_or_else(|| columns::unreadable("group", &group.to_string()))?;
        size.count += by;
        size.empty_since = (size.count == 0).then_some(*at);
        counts.push(size.count);
    }
    let note = "INSERT INTO group_count (group_id, at, count)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])";
    let (groups, sizes): (Vec<i64>, Vec<Size>) = sizes.into_iter().unzip();
    let (count, empty_since): (Vec<i64>, Vec<Option<i64>>) =
        sizes.iter().map(|size| (size.count, size.empty_since)).unzip();
    let update = "UPDATE stated_group SET count = now.count, empty_since = now.empty_since
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS now (id, count, empty_since)
         WHERE stated_group.id = now.id";
    let noted: Bound<'_> = &[&moved, &at, &counts];
    let updated: Bound<'_> = &[&groups, &count, &empty_since];
    tokio::try_join!(execute(db, note, noted), execute(db, update, updated))?;
    Ok(())
}

/// Returns the present sizes of these groups.
async fn sizes(db: &Transaction<'_>, groups: &[i64]) -> Result<HashMap<i64, Size>> {
    let select = "SELECT id, count, empty_since FROM stated_group WHERE id = ANY($1)";
    let size = |row: &Row| {
        (row.get("id"), Size { count: row.get("count"), empty_since: row.get("empty_since") })
    };
    Ok(query(db, select, &[&groups]).await?.iter().map(size).collect())
}
