//! Whether the groups still say what the preferences say.

use std::collections::BTreeMap;

use cohort_preferences::{FeatureType, StatedGroup, TenantId};
use rusqlite::Connection;

use super::edit;
use super::open::SqliteStore;
use super::row::{FromRow, columns};
use super::tenant::documents;
use super::writer::Writer;
use crate::error::Result;
use crate::store::columns::feature_type;
use crate::store::drift::{self, MOST_EXAMPLES, TENANTS_A_LOOK, put_right};
use crate::store::list::{Drift, Miscounted};

impl SqliteStore {
    /// Compares the groups with what the preferences say, and repairs them if asked.
    pub(super) async fn look_for_drift(&self, repair: bool) -> Result<Drift> {
        let mut drift = Drift::default();
        // Counts first: moving somebody then counts from a right number.
        drift = if repair {
            self.write(move |writer| recount(writer, drift)).await?
        } else {
            self.miscounted(drift).await?
        };
        self.misplaced(repair, &mut drift).await?;
        drift.is_repaired = repair;
        Ok(drift)
    }

    async fn miscounted(&self, mut drift: Drift) -> Result<Drift> {
        self.read(move |db, _, _| {
            miscounted(db, &mut drift)?;
            Ok(drift)
        })
        .await
    }

    async fn misplaced(&self, repair: bool, drift: &mut Drift) -> Result<()> {
        let mut after = Some(0);
        while let Some(behind) = after {
            let mut looked = std::mem::take(drift);
            let (misplaced, next, looked) = self
                .read(move |db, _, _| {
                    let (misplaced, next) = misplaced(db, behind, &mut looked)?;
                    Ok((misplaced, next, looked))
                })
                .await?;
            (*drift, after) = (looked, next);
            for (tenant, feature) in misplaced.into_iter().filter(|_| repair) {
                self.write(move |writer| edit::edit(writer, put_right(tenant, feature))).await?;
            }
        }
        Ok(())
    }
}

/// Users that stand in another group than their preference says, and the number behind which to go
/// on.
type Misplaced = (Vec<(TenantId, FeatureType)>, Option<u64>);

/// Returns the users that stand in another group than their preference says, among the tenants
/// behind `after`, and where to go on.
fn misplaced(db: &Connection, after: u64, drift: &mut Drift) -> Result<Misplaced> {
    let tenants = documents(db, after, TENANTS_A_LOOK)?;
    let next = tenants.last().and_then(|last| last.tenant.number).map(|number| number as u64);
    Ok((drift::misplaced(&tenants, drift)?, next))
}

columns! {
    /// Where the columns of a group and its kept count stand.
    KeptColumns { id, count }
}

/// Returns the groups whose kept count is not the number of their members, each with the true
/// count.
fn miscounted(db: &Connection, drift: &mut Drift) -> Result<Vec<(i64, u64)>> {
    let members = members_of_groups(db)?;
    let mut select = db.prepare_cached(
        "SELECT stated_group.id AS id, count, feature_type, frequency, time_key, timezone
         FROM stated_group JOIN feature ON feature.id = feature",
    )?;
    let columns = KeptColumns::of(&select)?;
    let mut rows = select.query([])?;
    let mut wrong = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, kept): (i64, i64) = (row.get(columns.id)?, row.get(columns.count)?);
        let counted = members.get(&number).copied().unwrap_or(0);
        drift.groups += 1;
        if kept == counted {
            continue;
        }
        wrong.push((number, counted as u64));
        if drift.miscounted.len() < MOST_EXAMPLES {
            drift.miscounted.push(Miscounted {
                feature: feature_type(&row.get::<_, String>("feature_type")?)?,
                group: StatedGroup::from_row(row)?,
                kept: kept.max(0) as u64,
                counted: counted as u64,
            });
        }
    }
    drift.miscounted_count = wrong.len() as u64;
    Ok(wrong)
}

columns! {
    /// Where the columns of a group and the number of its members stand.
    MembersColumns { group_id, members }
}

/// Returns how many members each group has that has any.
fn members_of_groups(db: &Connection) -> Result<BTreeMap<i64, i64>> {
    let mut select = db.prepare_cached(
        "SELECT group_id, count(*) AS members FROM preference
         WHERE group_id IS NOT NULL GROUP BY group_id",
    )?;
    let columns = MembersColumns::of(&select)?;
    let counted =
        select.query_map([], |row| Ok((row.get(columns.group_id)?, row.get(columns.members)?)))?;
    Ok(counted.collect::<Result<_, _>>()?)
}

/// Corrects the counts from this instant on. What was counted for earlier instants stays as it was.
fn recount(writer: &Writer<'_>, mut drift: Drift) -> Result<Drift> {
    let counts = miscounted(writer.db(), &mut drift)?;
    let at = writer.stamp().as_microsecond();
    let mut update = writer.db().prepare_cached(
        "UPDATE stated_group
         SET count = ?2, empty_since = CASE WHEN ?2 = 0 THEN coalesce(empty_since, ?3) END
         WHERE id = ?1",
    )?;
    let mut insert = writer
        .db()
        .prepare_cached("INSERT INTO group_count (group_id, at, count) VALUES (?1, ?2, ?3)")?;
    for (group, count) in counts {
        update.execute((group, count as i64, at))?;
        insert.execute((group, at, count as i64))?;
    }
    Ok(drift)
}
