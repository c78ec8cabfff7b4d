//! Finds members by number, before their names and preferences are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rusqlite::{CachedStatement, Connection, Row, Rows};

use crate::error::Result;
use crate::store::sqlite::row::columns;

/// A member before its name and preference are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) tenant: i64,
    pub(super) since: i64,
    /// The change of the preference in force now; `None` where it has to be looked up, because the
    /// user has left since.
    pub(super) change: Option<i64>,
}

/// Returns the first `limit` members behind the tenant number `after`.
pub(super) fn find(
    db: &Connection,
    groups: &[i64],
    as_of: i64,
    after: i64,
    limit: usize,
) -> Result<Vec<Found>> {
    let mut left = Vec::new();
    for group in groups {
        find_left(db, *group, as_of, after, &mut left)?;
    }
    left.sort_unstable();
    let mut left = left.into_iter().peekable();
    let mut statements = groups.iter().map(|_| prepare_present(db)).collect::<Result<Vec<_>>>()?;
    let mut present = Merged::open(&mut statements, groups, as_of, after)?;
    let mut found = Vec::with_capacity(limit.min(8_192));
    let mut next_present = present.next()?;
    while found.len() < limit {
        let next_left = left.peek().copied();
        let is_left_next = match (next_present, next_left) {
            (None, None) => break,
            (Some(present), Some(left)) => left.tenant < present.tenant,
            (present, _) => present.is_none(),
        };
        if is_left_next {
            found.extend(left.next());
        } else {
            found.extend(next_present);
            next_present = present.next()?;
        }
    }
    Ok(found)
}

columns! {
    /// Where the columns of a past membership stand.
    LeftColumns { tenant, left_since }
}

/// Adds those who were in the group at the instant and left it later.
fn find_left(
    db: &Connection,
    group: i64,
    as_of: i64,
    after: i64,
    found: &mut Vec<Found>,
) -> Result<()> {
    let mut select = db.prepare_cached(
        "SELECT tenant, left_since FROM change
         WHERE left_group = ?1 AND at > ?2 AND left_since <= ?2 AND tenant > ?3",
    )?;
    let columns = LeftColumns::of(&select)?;
    let mut rows = select.query((group, as_of, after))?;
    while let Some(row) = rows.next()? {
        let (tenant, since) = (row.get(columns.tenant)?, row.get(columns.left_since)?);
        found.push(Found { tenant, since, change: None });
    }
    Ok(())
}

fn prepare_present(db: &Connection) -> Result<CachedStatement<'_>> {
    Ok(db.prepare_cached(
        "SELECT tenant, group_since, change_id FROM preference INDEXED BY preference_group
         WHERE group_id = ?1 AND tenant > ?2 AND group_since <= ?3 ORDER BY tenant",
    )?)
}

columns! {
    /// Where the columns of a present membership stand.
    PresentColumns { tenant, group_since, change_id }
}

impl PresentColumns {
    fn found(&self, row: &Row<'_>) -> Result<Found> {
        Ok(Found {
            tenant: row.get(self.tenant)?,
            since: row.get(self.group_since)?,
            change: Some(row.get(self.change_id)?),
        })
    }
}

/// Who is in the groups now and was at the instant: one cursor a group, read only as far as the
/// page needs.
struct Merged<'s> {
    columns: Option<PresentColumns>,
    cursors: Vec<Rows<'s>>,
    heads: BinaryHeap<Reverse<(Found, usize)>>,
}

impl<'s> Merged<'s> {
    fn open(
        statements: &'s mut [CachedStatement<'_>],
        groups: &[i64],
        as_of: i64,
        after: i64,
    ) -> Result<Self> {
        let columns = statements.first().map(|present| PresentColumns::of(present)).transpose()?;
        let mut merged = Self {
            columns,
            cursors: Vec::with_capacity(groups.len()),
            heads: BinaryHeap::with_capacity(groups.len()),
        };
        for (statement, group) in statements.iter_mut().zip(groups) {
            merged.cursors.push(statement.query((group, after, as_of))?);
            merged.advance(merged.cursors.len() - 1)?;
        }
        Ok(merged)
    }

    fn next(&mut self) -> Result<Option<Found>> {
        let Some(Reverse((found, cursor))) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(cursor)?;
        Ok(Some(found))
    }

    fn advance(&mut self, cursor: usize) -> Result<()> {
        let row = self.cursors[cursor].next()?;
        if let Some((columns, row)) = self.columns.zip(row) {
            self.heads.push(Reverse((columns.found(row)?, cursor)));
        }
        Ok(())
    }
}
