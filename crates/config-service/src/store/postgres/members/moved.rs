//! What became of members since a change.

use std::collections::{HashMap, HashSet};

use cohort_database::Transaction;
use cohort_database::statement::query;
use tokio_postgres::Row;

use super::count::{count, numbers};
use super::find::Found;
use super::read::read_members;
use crate::cursor::Incarnation;
use crate::error::{ConfigServiceError, Result};
use crate::store::list::{MovedList, MovedQuery};
use crate::store::names::Names;
use crate::store::postgres::feed;
use crate::store::postgres::names::find_feature;
use crate::store::postgres::row::{self, FromRow};

/// Returns what became of members since a change. The instant must have settled.
pub(in crate::store::postgres) async fn moved(
    db: &Transaction<'_>,
    names: &Names,
    asked: &MovedQuery,
    incarnation: Incarnation,
) -> Result<MovedList> {
    let newest = feed::newest(db).await?;
    feed::check(db, &newest, asked.since).await?;
    let mut list = MovedList {
        members: Vec::new(),
        gone: Vec::new(),
        count_as_of: 0,
        position: feed::end(db, &newest, incarnation).await?,
    };
    let Some(feature) = find_feature(db, &asked.feature).await? else { return Ok(list) };
    let groups = numbers(db, names, feature, &asked.groups).await?;
    let as_of = asked.as_of.as_microsecond();
    list.count_as_of = count(db, &groups, as_of).await?;
    let tenants = changed_since(db, feature, asked.since.change, asked.limit).await?;
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

/// Returns the tenants that changed, ascending.
async fn changed_since(
    db: &Transaction<'_>,
    feature: i64,
    since: i64,
    limit: usize,
) -> Result<Vec<i64>> {
    let select = "SELECT DISTINCT tenant FROM change
         WHERE id > $1 AND feature = $2 AND tenant IS NOT NULL ORDER BY tenant LIMIT $3";
    let rows = query(db, select, &[&since, &feature, &(limit as i64 + 1)]).await?;
    if rows.len() > limit {
        Err(ConfigServiceError::CursorGone)
    } else {
        Ok(rows.iter().map(|row| row.get("tenant")).collect())
    }
}

/// A preference on the walk back from now to the instant.
struct Walk {
    tenant: i64,
    group: Option<i64>,
    since: Option<i64>,
    /// The change to undo next, if it is later than the instant.
    change: Option<i64>,
}

impl FromRow for Walk {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            tenant: row.get("tenant"),
            group: row.get("group_id"),
            since: row.get("group_since"),
            change: row.get("change_id"),
        })
    }
}

/// Returns since when each tenant that is in one of the groups as of the instant is there. Walks
/// the preferences' changes back from now, all together.
async fn members_as_of(
    db: &Transaction<'_>,
    feature: i64,
    groups: &[i64],
    as_of: i64,
    tenants: &[i64],
) -> Result<HashMap<i64, i64>> {
    let select = "SELECT tenant, group_id, group_since, change_id FROM preference
         WHERE tenant = ANY($1) AND feature = $2";
    let mut walks: Vec<Walk> = row::query(db, select, &[&tenants, &feature]).await?;
    let select = "SELECT id, left_group, left_since, joined_group, previous FROM change
         WHERE id = ANY($1) AND at > $2";
    loop {
        let ahead: Vec<i64> = walks.iter().filter_map(|walk| walk.change).collect();
        if ahead.is_empty() {
            break;
        }
        let rows = query(db, select, &[&ahead, &as_of]).await?;
        let later: HashMap<i64, &Row> = rows.iter().map(|row| (row.get("id"), row)).collect();
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
    /// Undoes the change if it is later than the instant; otherwise the walk has arrived.
    fn step_back(&mut self, later: &HashMap<i64, &Row>) {
        let Some(row) = self.change.take().and_then(|change| later.get(&change)) else { return };
        let left: Option<i64> = row.get("left_group");
        let joined: Option<i64> = row.get("joined_group");
        if left.is_some() || joined.is_some() {
            (self.group, self.since) = (left, row.get("left_since"));
        }
        self.change = row.get("previous");
    }
}
