//! Pages of a member list, and many lists that are each whole.

use std::collections::HashMap;

use cohort_database::Transaction;
use cohort_preferences::StatedGroup;

use super::count::{count, numbers, sizes};
use super::find::find;
use super::read::read_members;
use crate::cursor::Incarnation;
use crate::error::Result;
use crate::store::list::{ListsQuery, MemberList, MembersQuery, StoredList, WholeLists, with_room};
use crate::store::names::Names;
use crate::store::postgres::feed;
use crate::store::postgres::names::{find_feature, find_groups};

/// Returns a page of a member list. The instant must have settled.
pub(in crate::store::postgres) async fn list(
    db: &Transaction<'_>,
    names: &Names,
    asked: &MembersQuery,
    incarnation: Incarnation,
) -> Result<MemberList> {
    let position = feed::end(db, &feed::newest(db).await?, incarnation).await?;
    let mut list = MemberList { members: Vec::new(), count_as_of: 0, position, has_more: false };
    let Some(feature) = find_feature(db, &asked.feature).await? else { return Ok(list) };
    let groups = numbers(db, names, feature, &asked.groups).await?;
    let as_of = asked.as_of.as_microsecond();
    list.count_as_of = count(db, &groups, as_of).await?;
    let mut found = find(db, &groups, as_of, asked.after as i64, asked.limit + 1).await?;
    list.has_more = found.len() > asked.limit;
    found.truncate(asked.limit);
    let found: Vec<_> = found.into_iter().map(|member| member.found).collect();
    list.members = read_members(db, feature, &found).await?;
    Ok(list)
}

/// Returns many member lists, each whole. The instant must have settled.
pub(in crate::store::postgres) async fn lists(
    db: &Transaction<'_>,
    asked: &ListsQuery,
    incarnation: Incarnation,
) -> Result<WholeLists> {
    let position = feed::end(db, &feed::newest(db).await?, incarnation).await?;
    let Some(feature) = find_feature(db, &asked.feature).await? else {
        return Ok(WholeLists {
            lists: vec![Some(StoredList::default()); asked.lists.len()],
            position,
        });
    };
    let as_of = asked.as_of.as_microsecond();
    let lists_of = lists_of(db, feature, &asked.lists).await?;
    let sizes = sizes(db, &lists_of.keys().copied().collect::<Vec<_>>(), as_of).await?;
    let mut counts = vec![0; asked.lists.len()];
    for (group, size) in sizes {
        counts[lists_of[&group]] += size;
    }
    let have_room = with_room(&counts, asked.limit);
    let groups: Vec<i64> =
        lists_of.iter().filter(|(_, list)| have_room[**list]).map(|(group, _)| *group).collect();
    let found = find(db, &groups, as_of, 0, asked.limit).await?;
    let (found, of_groups): (Vec<_>, Vec<_>) =
        found.into_iter().map(|member| (member.found, member.group)).unzip();
    let list = |(fits, count_as_of): (&bool, u64)| {
        fits.then(|| StoredList { members: Vec::new(), count_as_of })
    };
    let mut lists: Vec<_> = have_room.iter().zip(counts).map(list).collect();
    for (member, group) in read_members(db, feature, &found).await?.into_iter().zip(of_groups) {
        if let Some(list) = &mut lists[lists_of[&group]] {
            list.members.push(member);
        }
    }
    Ok(WholeLists { lists, position })
}

/// Returns the groups that have a number, and in which of the lists each stands.
async fn lists_of(
    db: &Transaction<'_>,
    feature: i64,
    lists: &[Vec<StatedGroup>],
) -> Result<HashMap<i64, usize>> {
    let lists_of: HashMap<&StatedGroup, usize> = lists
        .iter()
        .enumerate()
        .flat_map(|(list, groups)| groups.iter().map(move |group| (group, list)))
        .collect();
    let asked: Vec<_> = lists_of.keys().map(|group| (feature, *group)).collect();
    let numbers = find_groups(db, &asked).await?;
    Ok(numbers.into_iter().map(|((_, group), number)| (number, lists_of[group])).collect())
}
