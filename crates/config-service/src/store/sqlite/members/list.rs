//! Pages of a member list, and many lists that are each whole.

use rusqlite::Connection;

use super::count::{count, numbers};
use super::find::find;
use super::read::read_members;
use crate::cursor::Incarnation;
use crate::error::Result;
use crate::store::list::{ListsQuery, MemberList, MembersQuery, StoredList, WholeLists, with_room};
use crate::store::names::Names;
use crate::store::sqlite::feed;
use crate::store::sqlite::names::find_feature;

/// Returns a page of a member list. The instant must have settled.
pub(in crate::store::sqlite) fn list(
    db: &Connection,
    names: &Names,
    query: &MembersQuery,
    incarnation: Incarnation,
) -> Result<MemberList> {
    let position = feed::end(db, incarnation)?;
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

/// Returns many member lists, each whole. The instant must have settled.
pub(in crate::store::sqlite) fn lists(
    db: &Connection,
    names: &Names,
    query: &ListsQuery,
    incarnation: Incarnation,
) -> Result<WholeLists> {
    let position = feed::end(db, incarnation)?;
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
