//! Members of groups as of an instant (M1).
//!
//! A group's members as of T are who is in it now and joined at or before T, and who left it after
//! T and had joined at or before T. The first kind stands in an index by group and tenant number,
//! from which each group gives no more than a page; the second in change rows, few for an instant
//! just past. Both are merged by number and cut to the page; only then are names and preferences
//! read, so that a page costs what it holds and not what the group holds.

use std::collections::{HashMap, HashSet};

use cohort_database::Transaction;
use cohort_preferences::StatedGroup;
use tokio_postgres::Row;

use super::feed;
use super::names::{find_feature, find_groups};
use crate::cursor::Incarnation;
use crate::error::ConfigServiceError;
use crate::store::Result;
use crate::store::columns::{instant, name_or_number};
use crate::store::list::{
    ListsQuery, MemberList, MembersQuery, MovedList, MovedQuery, StoredList, StoredMember,
    WholeLists, with_room,
};
use crate::store::names::Names;
use cohort_database::statement::{Bound, query};

/// A member before its name and preference are read.
#[derive(Debug, Clone, Copy)]
struct Found {
    tenant: i64,
    since: i64,
    /// Of the preference in force now; `None` where it has to be looked up, as the user has left
    /// since.
    change: Option<i64>,
}

/// A page of a member list. The instant must have settled.
pub(super) async fn list(
    db: &Transaction<'_>,
    names: &Names,
    asked: &MembersQuery,
    incarnation: Incarnation,
) -> Result<MemberList> {
    let position = incarnation.position(feed::newest(db).await?.change);
    let mut list = MemberList { members: Vec::new(), count_as_of: 0, position, has_more: false };
    let Some(feature) = find_feature(db, &asked.feature).await? else { return Ok(list) };
    let groups = numbers(db, names, feature, &asked.groups).await?;
    let as_of = asked.as_of.as_microsecond();
    list.count_as_of = count(db, &groups, as_of).await?;
    let mut found = find(db, &groups, as_of, asked.after as i64, asked.limit + 1).await?;
    list.has_more = found.len() > asked.limit;
    found.truncate(asked.limit);
    let found: Vec<_> = found.into_iter().map(|(found, _group)| found).collect();
    list.members = read_members(db, feature, &found).await?;
    Ok(list)
}

/// Many member lists, each whole. The instant must have settled.
pub(super) async fn lists(
    db: &Transaction<'_>,
    asked: &ListsQuery,
    incarnation: Incarnation,
) -> Result<WholeLists> {
    let position = incarnation.position(feed::newest(db).await?.change);
    let Some(feature) = find_feature(db, &asked.feature).await? else {
        return Ok(WholeLists {
            lists: vec![Some(StoredList::default()); asked.lists.len()],
            position,
        });
    };
    let as_of = asked.as_of.as_microsecond();
    let places = places(db, feature, &asked.lists).await?;
    let sizes = sizes(db, &places.keys().copied().collect::<Vec<_>>(), as_of).await?;
    let mut counts = vec![0; asked.lists.len()];
    for (group, size) in sizes {
        counts[places[&group]] += size;
    }
    let have_room = with_room(&counts, asked.limit);
    let groups: Vec<i64> =
        places.iter().filter(|(_, place)| have_room[**place]).map(|(group, _)| *group).collect();
    let (found, of_groups): (Vec<_>, Vec<_>) =
        find(db, &groups, as_of, 0, asked.limit).await?.into_iter().unzip();
    let list = |(fits, count_as_of): (&bool, u64)| {
        fits.then(|| StoredList { members: Vec::new(), count_as_of })
    };
    let mut lists: Vec<_> = have_room.iter().zip(counts).map(list).collect();
    for (member, group) in read_members(db, feature, &found).await?.into_iter().zip(of_groups) {
        if let Some(list) = &mut lists[places[&group]] {
            list.members.push(member);
        }
    }
    Ok(WholeLists { lists, position })
}

/// The groups that are known, and in which of the lists each is.
async fn places(
    db: &Transaction<'_>,
    feature: i64,
    lists: &[Vec<StatedGroup>],
) -> Result<HashMap<i64, usize>> {
    let places: HashMap<&StatedGroup, usize> = lists
        .iter()
        .enumerate()
        .flat_map(|(place, groups)| groups.iter().map(move |group| (group, place)))
        .collect();
    let asked: Vec<_> = places.keys().map(|group| (feature, *group)).collect();
    let numbers = find_groups(db, &asked).await?;
    Ok(numbers.into_iter().map(|((_, group), number)| (number, places[group])).collect())
}

async fn numbers(
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

/// The sizes of the groups as of the instant, together.
async fn count(db: &Transaction<'_>, groups: &[i64], as_of: i64) -> Result<u64> {
    Ok(sizes(db, groups, as_of).await?.into_iter().map(|(_, size)| size).sum())
}

/// The size of each group as of the instant, from the count rows alone (M8); a group that had none
/// yet is left out.
async fn sizes(db: &Transaction<'_>, groups: &[i64], as_of: i64) -> Result<Vec<(i64, u64)>> {
    let select =
        "SELECT asked.id, newest.count FROM unnest($1::bigint[]) AS asked (id) CROSS JOIN \
        LATERAL
         (SELECT count FROM group_count WHERE group_id = asked.id AND at <= $2 ORDER BY at DESC \
         LIMIT 1) AS newest";
    let size = |row: &Row| (row.get(0), row.get::<_, i64>(1) as u64);
    Ok(query(db, select, &[&groups, &as_of]).await?.iter().map(size).collect())
}

/// The first `limit` members behind the tenant number `after`, each with its group: who was there
/// and left later, and who is there now.
async fn find(
    db: &Transaction<'_>,
    groups: &[i64],
    as_of: i64,
    after: i64,
    limit: usize,
) -> Result<Vec<(Found, i64)>> {
    let select = "SELECT tenant, left_since, NULL AS change_id, left_group FROM change
             WHERE left_group = ANY($1) AND at > $2 AND left_since <= $2 AND tenant > $3
         UNION ALL
         SELECT present.* FROM unnest($1::bigint[]) AS asked (id) CROSS JOIN LATERAL
             (SELECT tenant, group_since, change_id, group_id FROM preference
              WHERE group_id = asked.id AND tenant > $3 AND group_since <= $2 ORDER BY group_id, \
              tenant LIMIT $4) AS present
         ORDER BY tenant LIMIT $4";
    let found = |row: &Row| {
        (Found { tenant: row.get(0), since: row.get(1), change: row.get(2) }, row.get(3))
    };
    Ok(query(db, select, &[&groups, &as_of, &after, &(limit as i64)])
        .await?
        .iter()
        .map(found)
        .collect())
}

async fn read_members(
    db: &Transaction<'_>,
    feature: i64,
    found: &[Found],
) -> Result<Vec<StoredMember>> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let tenants: Vec<i64> = found.iter().map(|found| found.tenant).collect();
    let gone: Vec<i64> =
        found.iter().filter(|found| found.change.is_none()).map(|found| found.tenant).collect();
    let bound: Bound<'_> = &[&tenants];
    let names = async {
        Ok(query(db, "SELECT id, tenant_id FROM tenant WHERE id = ANY($1)", bound).await?)
    };
    let changes = changes_of(db, feature, gone);
    let (names, changes) = tokio::try_join!(names, changes)?;
    let mut names: HashMap<i64, Option<String>> =
        names.iter().map(|row| (row.get(0), row.get(1))).collect();
    let change = |found: &Found| found.change.or_else(|| changes.get(&found.tenant).copied());
    let wanted: Vec<i64> = found.iter().filter_map(change).collect();
    let rows =
        query(db, "SELECT id, version, preference FROM change WHERE id = ANY($1)", &[&wanted])
            .await?;
    let states: HashMap<i64, &Row> = rows.iter().map(|row| (row.get(0), row)).collect();
    let member = |found: &Found| {
        let state = change(found).and_then(|change| states.get(&change).copied());
        Ok(StoredMember {
            tenant_id: name_or_number(names.remove(&found.tenant).flatten(), found.tenant),
            number: found.tenant as u64,
            version: state.map_or(0, |row| row.get::<_, i64>(1) as u64),
            since: instant(found.since)?,
            json: state.and_then(|row| row.get(2)),
        })
    };
    found.iter().map(member).collect()
}

/// The newest change of each tenant's preference.
async fn changes_of(
    db: &Transaction<'_>,
    feature: i64,
    tenants: Vec<i64>,
) -> Result<HashMap<i64, i64>> {
    if tenants.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = query(
        db,
        "SELECT tenant, change_id FROM preference WHERE tenant = ANY($1) AND feature = $2",
        &[&tenants, &feature],
    )
    .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What became of members since a change. The instant must have settled.
pub(super) async fn moved(
    db: &Transaction<'_>,
    names: &Names,
    asked: &MovedQuery,
    incarnation: Incarnation,
) -> Result<MovedList> {
    let newest = feed::newest(db).await?;
    if !(newest.oldest_kept..=newest.change).contains(&asked.since) {
        return Err(ConfigServiceError::CursorGone);
    }
    let mut list = MovedList {
        members: Vec::new(),
        gone: Vec::new(),
        count_as_of: 0,
        position: incarnation.position(newest.change),
    };
    let Some(feature) = find_feature(db, &asked.feature).await? else { return Ok(list) };
    let groups = numbers(db, names, feature, &asked.groups).await?;
    let as_of = asked.as_of.as_microsecond();
    list.count_as_of = count(db, &groups, as_of).await?;
    let tenants = changed_since(db, feature, asked.since, asked.limit).await?;
    let memberships = members_as_of(db, feature, &groups, as_of, &tenants).await?;
    let mut found = Vec::new();
    for tenant in tenants {
        match memberships.get(&tenant) {
            Some(since) => found.push(Found { tenant, since: *since, change: None }),
            None => list.gone.push(tenant as u64),
        }
    }
    list.members = read_members(db, feature, &found).await?;
    Ok(list)
}

/// The tenants that changed, ascending.
async fn changed_since(
    db: &Transaction<'_>,
    feature: i64,
    since: i64,
    limit: usize,
) -> Result<Vec<i64>> {
    let select = "SELECT DISTINCT tenant FROM change WHERE id > $1 AND feature = $2 AND tenant IS \
        NOT NULL ORDER BY tenant LIMIT $3";
    let rows = query(db, select, &[&since, &feature, &(limit as i64 + 1)]).await?;
    if rows.len() > limit {
        Err(ConfigServiceError::CursorGone)
    } else {
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

/// A preference on its way back from now to the instant.
struct Walk {
    tenant: i64,
    group: Option<i64>,
    since: Option<i64>,
    /// The change that is still to be undone, if it is later than the instant.
    change: Option<i64>,
}

/// Since when each tenant that is in one of the groups as of the instant is there. Walks the
/// preferences' changes back from now, all together.
async fn members_as_of(
    db: &Transaction<'_>,
    feature: i64,
    groups: &[i64],
    as_of: i64,
    tenants: &[i64],
) -> Result<HashMap<i64, i64>> {
    let select = "SELECT tenant, group_id, group_since, change_id FROM preference WHERE tenant = \
        ANY($1) AND feature = $2";
    let start = |row: &Row| Walk {
        tenant: row.get(0),
        group: row.get(1),
        since: row.get(2),
        change: row.get(3),
    };
    let mut walks: Vec<Walk> =
        query(db, select, &[&tenants, &feature]).await?.iter().map(start).collect();
    let select = "SELECT id, left_group, left_since, joined_group, previous FROM change WHERE id = \
        ANY($1) AND at > $2";
    loop {
        let ahead: Vec<i64> = walks.iter().filter_map(|walk| walk.change).collect();
        if ahead.is_empty() {
            break;
        }
        let rows = query(db, select, &[&ahead, &as_of]).await?;
        let later: HashMap<i64, &Row> = rows.iter().map(|row| (row.get(0), row)).collect();
        for walk in &mut walks {
            walk.step_back(&later);
        }
    }
    let groups: HashSet<i64> = groups.iter().copied().collect();
    let is_in = |walk: &Walk| walk.group.is_some_and(|group| groups.contains(&group));
    let membership = |walk: Walk| {
        walk.since.filter(|since| is_in(&walk) && *since <= as_of).map(|since| (walk.tenant, since))
    };
    Ok(walks.into_iter().filter_map(membership).collect())
}

impl Walk {
    /// Undoes the change if it is among these, the later ones; else the walk has arrived.
    fn step_back(&mut self, later: &HashMap<i64, &Row>) {
        let Some(row) = self.change.take().and_then(|change| later.get(&change)) else { return };
        let (left, joined): (Option<i64>, Option<i64>) = (row.get(1), row.get(3));
        if left.is_some() || joined.is_some() {
            (self.group, self.since) = (left, row.get(2));
        }
        self.change = row.get(4);
    }
}
