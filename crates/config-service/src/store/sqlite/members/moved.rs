//! What became of members since a change.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};

use super::count::{count, numbers};
use super::find::Found;
use super::read::read_members;
use crate::cursor::Incarnation;
use crate::error::{ConfigServiceError, Result};
use crate::store::list::{MovedList, MovedQuery};
use crate::store::names::Names;
use crate::store::sqlite::feed;
use crate::store::sqlite::names::find_feature;
use crate::store::sqlite::row::columns;

/// Returns what became of members since a change. The instant must have settled.
pub(in crate::store::sqlite) fn moved(
    db: &Connection,
    names: &Names,
    query: &MovedQuery,
    incarnation: Incarnation,
) -> Result<MovedList> {
    feed::check(db, query.since)?;
    let mut list = MovedList {
        members: Vec::new(),
        gone: Vec::new(),
        count_as_of: 0,
        position: feed::end(db, incarnation)?,
    };
    let Some(feature) = find_feature(db, &query.feature)? else {
        return Ok(list);
    };
    let groups = numbers(db, names, feature, &query.groups)?;
    let as_of = query.as_of.as_microsecond();
    list.count_as_of = count(db, &groups, as_of)?;
    let mut found = Vec::new();
    let tenants = changed_since(db, feature, query.since.change, query.limit)?;
    let mut past = PastReader::prepare(db)?;
    for tenant in tenants {
        match past.member_since(feature, &groups, as_of, tenant)? {
            Some(since) => found.push(Found { tenant, since, change: None }),
            None => list.gone.push(tenant as u64),
        }
    }
    list.members = read_members(db, feature, &found)?;
    Ok(list)
}

/// Returns the tenants that changed, ascending.
fn changed_since(db: &Connection, feature: i64, since: i64, limit: usize) -> Result<Vec<i64>> {
    let mut select = db.prepare_cached(
        "SELECT DISTINCT tenant FROM change WHERE id > ?1 AND feature = ?2 AND tenant IS NOT NULL \
         ORDER BY tenant LIMIT ?3",
    )?;
    let tenants = select
        .query_map((since, feature, limit as i64 + 1), |row| row.get("tenant"))?
        .collect::<Result<Vec<i64>, _>>()?;
    if tenants.len() > limit { Err(ConfigServiceError::CursorGone) } else { Ok(tenants) }
}

/// A preference on the walk back from now to the instant.
struct Walk {
    group: Option<i64>,
    since: Option<i64>,
    /// The change to undo next, if it is later than the instant.
    change: Option<i64>,
}

columns! {
    /// Where the columns of a change stand that may have to be undone.
    UndoColumns { at, left_group, left_since, joined_group, previous }
}

/// Walks preferences back from now to an instant, change by change.
struct PastReader<'db> {
    now: CachedStatement<'db>,
    change: CachedStatement<'db>,
    columns: UndoColumns,
}

impl<'db> PastReader<'db> {
    fn prepare(db: &'db Connection) -> Result<Self> {
        let now = db.prepare_cached(
            "SELECT group_id, group_since, change_id FROM preference
             WHERE tenant = ?1 AND feature = ?2",
        )?;
        let change = db.prepare_cached(
            "SELECT at, left_group, left_since, joined_group, previous FROM change WHERE id = ?1",
        )?;
        Ok(Self { columns: UndoColumns::of(&change)?, now, change })
    }

    /// Returns since when the tenant is in one of the groups as of the instant; `None` if it is in
    /// none.
    fn member_since(
        &mut self,
        feature: i64,
        groups: &[i64],
        as_of: i64,
        tenant: i64,
    ) -> Result<Option<i64>> {
        let mut walk = self.now.query_row((tenant, feature), |row| {
            Ok(Walk {
                group: row.get("group_id")?,
                since: row.get("group_since")?,
                change: row.get("change_id")?,
            })
        })?;
        while let Some(id) = walk.change.take() {
            let columns = self.columns;
            let undo = |row: &Row<'_>| columns.undo(row, as_of, &mut walk);
            self.change.query_row([id], undo).optional()?;
        }
        let is_in = walk.group.is_some_and(|group| groups.contains(&group));
        Ok(walk.since.filter(|since| is_in && *since <= as_of))
    }
}

impl UndoColumns {
    /// Undoes the change if it is later than the instant; otherwise the walk has arrived.
    fn undo(self, row: &Row<'_>, as_of: i64, walk: &mut Walk) -> rusqlite::Result<()> {
        if row.get::<_, i64>(self.at)? <= as_of {
            return Ok(());
        }
        let left: Option<i64> = row.get(self.left_group)?;
        let joined: Option<i64> = row.get(self.joined_group)?;
        if left.is_some() || joined.is_some() {
            (walk.group, walk.since) = (left, row.get(self.left_since)?);
        }
        walk.change = row.get(self.previous)?;
        Ok(())
    }
}
