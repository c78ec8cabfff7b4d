//! Members of groups as of an instant (M1).
//!
//! A group's members as of T are who is in it now and joined at or before T, and who left it after
//! T and had joined at or before T. The first kind stands in an index by group and tenant number,
//! the second in change rows, few for an instant just past. Both are merged by number and cut to
//! the page; only then are names and preferences read, so that a page costs what it holds and not
//! what the group holds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use cohort_preferences::StatedGroup;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Rows};

use super::feed;
use super::names::{find_feature, find_group};
use crate::cursor::Incarnation;
use crate::error::ConfigServiceError;
use crate::store::Result;
use crate::store::columns::{instant, name_or_number};
use crate::store::list::{
    ListsQuery, MemberList, MembersQuery, MovedList, MovedQuery, StoredList, StoredMember,
    WholeLists, with_room,
};
use crate::store::names::Names;

/// A member before its name and preference are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    tenant: i64,
    since: i64,
    /// Of the preference in force now; `None` where it has to be looked up, as the user has left
    /// since.
    change: Option<i64>,
}

/// A page of a member list. The instant must have settled.
pub(super) fn list(
    db: &Connection,
    names: &Names,
    query: &MembersQuery,
    incarnation: Incarnation,
) -> Result<MemberList> {
    let position = incarnation.position(feed::newest(db)?);
    let mut list = MemberList { members: Vec::new(), count_as_of: 0, position, has_more: false };
    let Some(feature) = find_feature(db, &query.feature)? else {
        return Ok(list);
    };
    let groups = numbers(db, names, feature, &query.groups)?;
    let as_of = query.as_of.as_microsecond();
    list.count_as_of = count(db, &groups, as_of)?;
    let mut found = find(db, &groups, as_of, query.after as i64, query.limit + 1)?;
    list.has_more = found.len() > query.limit;
    found.truncate(query.limit);
    list.members = read_members(db, feature, &found)?;
    Ok(list)
}

/// Many member lists, each whole. The instant must have settled.
pub(super) fn lists(
    db: &Connection,
    names: &Names,
    query: &ListsQuery,
    incarnation: Incarnation,
) -> Result<WholeLists> {
    let position = incarnation.position(feed::newest(db)?);
    let Some(feature) = find_feature(db, &query.feature)? else {
        return Ok(WholeLists {
            lists: vec![Some(StoredList::default()); query.lists.len()],
            position,
        });
    };
    let as_of = query.as_of.as_microsecond();
    let groups = query
        .lists
        .iter()
        .map(|groups| numbers(db, names, feature, groups))
        .collect::<Result<Vec<_>>>()?;
    let counts =
        groups.iter().map(|groups| count(db, groups, as_of)).collect::<Result<Vec<_>>>()?;
    let mut lists = Vec::with_capacity(groups.len());
    for ((groups, count_as_of), fits) in
        groups.iter().zip(&counts).zip(with_room(&counts, query.limit))
    {
        if !fits {
            lists.push(None);
            continue;
        }
        let found = find(db, groups, as_of, 0, query.limit)?;
        lists.push(Some(StoredList {
            members: read_members(db, feature, &found)?,
            count_as_of: *count_as_of,
        }));
    }
    Ok(WholeLists { lists, position })
}

fn numbers(
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

/// The sizes of the groups as of the instant, together, from the count rows alone (M8).
fn count(db: &Connection, groups: &[i64], as_of: i64) -> Result<u64> {
    let mut select = db.prepare_cached(
        "SELECT count FROM group_count WHERE group_id = ?1 AND at <= ?2 ORDER BY at DESC LIMIT 1",
    )?;
    let mut total = 0;
    for group in groups {
        total +=
            select.query_row((group, as_of), |row| row.get::<_, i64>(0)).optional()?.unwrap_or(0);
    }
    Ok(total as u64)
}

/// The first `limit` members behind the tenant number `after`.
fn find(
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

/// Who was in the group at the instant and left it later.
fn find_left(
    db: &Connection,
    group: i64,
    as_of: i64,
    after: i64,
    found: &mut Vec<Found>,
) -> Result<()> {
    let mut select = db.prepare_cached(
        "SELECT tenant, left_since FROM change WHERE left_group = ?1 AND at > ?2 \
            AND left_since <= ?2 AND tenant > ?3",
    )?;
    let mut rows = select.query((group, as_of, after))?;
    while let Some(row) = rows.next()? {
        found.push(Found { tenant: row.get(0)?, since: row.get(1)?, change: None });
    }
    Ok(())
}

fn prepare_present(db: &Connection) -> Result<CachedStatement<'_>> {
    Ok(db.prepare_cached(
        "SELECT tenant, group_since, change_id FROM preference INDEXED BY preference_group
         WHERE group_id = ?1 AND tenant > ?2 AND group_since <= ?3 ORDER BY tenant",
    )?)
}

/// Who is in the groups now and was at the instant: one cursor a group, read only as far as the
/// page needs.
struct Merged<'s> {
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
        let mut merged = Self {
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
        if let Some(row) = self.cursors[cursor].next()? {
            let found =
                Found { tenant: row.get(0)?, since: row.get(1)?, change: Some(row.get(2)?) };
            self.heads.push(Reverse((found, cursor)));
        }
        Ok(())
    }
}

fn read_members(db: &Connection, feature: i64, found: &[Found]) -> Result<Vec<StoredMember>> {
    let mut change_of =
        db.prepare_cached("SELECT change_id FROM preference WHERE tenant = ?1 AND feature = ?2")?;
    let mut name_of = db.prepare_cached("SELECT tenant_id FROM tenant WHERE id = ?1")?;
    let mut state_of = db.prepare_cached("SELECT version, preference FROM change WHERE id = ?1")?;
    let mut members = Vec::with_capacity(found.len());
    for found in found {
        let change = found
            .change
            .map_or_else(|| change_of.query_row((found.tenant, feature), |row| row.get(0)), Ok)?;
        let (version, json): (i64, Option<String>) =
            state_of.query_row([change], |row| Ok((row.get(0)?, row.get(1)?)))?;
        members.push(StoredMember {
            tenant_id: name_or_number(
                name_of.query_row([found.tenant], |row| row.get(0))?,
                found.tenant,
            ),
            number: found.tenant as u64,
            version: version as u64,
            since: instant(found.since)?,
            json,
        });
    }
    Ok(members)
}

/// What became of members since a change. The instant must have settled.
pub(super) fn moved(
    db: &Connection,
    names: &Names,
    query: &MovedQuery,
    incarnation: Incarnation,
) -> Result<MovedList> {
    let newest = feed::newest(db)?;
    if !(feed::oldest_kept(db)?..=newest).contains(&query.since) {
        return Err(ConfigServiceError::CursorGone);
    }
    let mut list = MovedList {
        members: Vec::new(),
        gone: Vec::new(),
        count_as_of: 0,
        position: incarnation.position(newest),
    };
    let Some(feature) = find_feature(db, &query.feature)? else {
        return Ok(list);
    };
    let groups = numbers(db, names, feature, &query.groups)?;
    let as_of = query.as_of.as_microsecond();
    list.count_as_of = count(db, &groups, as_of)?;
    let mut found = Vec::new();
    for tenant in changed_since(db, feature, query.since, query.limit)? {
        match member_as_of(db, feature, &groups, as_of, tenant)? {
            Some(since) => found.push(Found { tenant, since, change: None }),
            None => list.gone.push(tenant as u64),
        }
    }
    list.members = read_members(db, feature, &found)?;
    Ok(list)
}

/// The tenants that changed, ascending.
fn changed_since(db: &Connection, feature: i64, since: i64, limit: usize) -> Result<Vec<i64>> {
    let mut select = db.prepare_cached(
        "SELECT DISTINCT tenant FROM change WHERE id > ?1 AND feature = ?2 AND tenant IS NOT NULL \
         ORDER BY tenant LIMIT ?3",
    )?;
    let tenants = select
        .query_map((since, feature, limit as i64 + 1), |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    if tenants.len() > limit { Err(ConfigServiceError::CursorGone) } else { Ok(tenants) }
}

/// Since when the tenant is in one of the groups as of the instant; `None` if it is in none. Walks
/// the preference's changes back from now.
fn member_as_of(
    db: &Connection,
    feature: i64,
    groups: &[i64],
    as_of: i64,
    tenant: i64,
) -> Result<Option<i64>> {
    let mut now = db.prepare_cached(
        "SELECT group_id, group_since, change_id FROM preference WHERE \
        tenant = ?1 AND feature = ?2",
    )?;
    let (mut group, mut since, mut change): (Option<i64>, Option<i64>, Option<i64>) =
        now.query_row((tenant, feature), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut row = db.prepare_cached(
        "SELECT at, left_group, left_since, joined_group, previous FROM change WHERE id = ?1",
    )?;
    while let Some(id) = change {
        let found = row.query_row([id], |row| {
            let left: (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
            Ok((
                row.get::<_, i64>(0)?,
                left,
                row.get::<_, Option<i64>>(3)?,
                row.get::<_, Option<i64>>(4)?,
            ))
        });
        let Some((at, left, joined, previous)) = found.optional()? else { break };
        if at <= as_of {
            break;
        }
        if left.0.is_some() || joined.is_some() {
            (group, since) = left;
        }
        change = previous;
    }
    let is_in = group.is_some_and(|group| groups.contains(&group))
        && since.is_some_and(|since| since <= as_of);
    Ok(since.filter(|_| is_in))
}
