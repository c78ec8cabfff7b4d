//! Whether the groups still say what the preferences say.

use cohort_database::statement::{execute, query};
use cohort_database::{Transaction, limits};
use cohort_preferences::{FeatureType, StatedGroup, TenantId};

use super::open::PostgresStore;
use super::row::FromRow;
use super::tenant::documents;
use super::writer::Writer;
use crate::error::Result;
use crate::store::Store;
use crate::store::columns::feature_type;
use crate::store::drift::{self, MOST_EXAMPLES, TENANTS_A_LOOK, put_right};
use crate::store::list::{Drift, Miscounted};

impl PostgresStore {
    /// Compares the groups with what the preferences say, and repairs them if asked.
    pub(super) async fn look_for_drift(&self, repair: bool) -> Result<Drift> {
        let mut drift = Drift::default();
        // Counts first: moving somebody then counts from a right number.
        drift = if repair { self.recount(drift).await? } else { self.miscounted(drift).await? };
        self.misplaced(repair, &mut drift).await?;
        drift.is_repaired = repair;
        Ok(drift)
    }

    async fn miscounted(&self, mut drift: Drift) -> Result<Drift> {
        let mut reader = self.upkeep_reader().await?;
        miscounted(&reader.snapshot().await?, &mut drift).await?;
        Ok(drift)
    }

    async fn recount(&self, drift: Drift) -> Result<Drift> {
        let mut session = self.session().await;
        let mut writer = session.begin_within(limits::LONG).await?;
        let drift = recount(&mut writer, drift).await?;
        writer.commit().await?;
        Ok(drift)
    }

    async fn misplaced(&self, repair: bool, drift: &mut Drift) -> Result<()> {
        let mut after = Some(0);
        while let Some(behind) = after {
            let (misplaced, next) = {
                let mut reader = self.upkeep_reader().await?;
                misplaced(&reader.snapshot().await?, behind, drift).await?
            };
            after = next;
            for (tenant, feature) in misplaced.into_iter().filter(|_| repair) {
                self.edit(put_right(tenant, feature)).await?;
            }
        }
        Ok(())
    }
}

/// Returns the users that stand in another group than their preference says, among the tenants
/// behind `after`, and where to go on.
async fn misplaced(
    db: &Transaction<'_>,
    after: u64,
    drift: &mut Drift,
) -> Result<(Vec<(TenantId, FeatureType)>, Option<u64>)> {
    let tenants = documents(db, after, TENANTS_A_LOOK).await?;
    let next = tenants.last().and_then(|last| last.tenant.number).map(|number| number as u64);
    Ok((drift::misplaced(&tenants, drift)?, next))
}

/// Returns the groups whose kept count is not the number of their members, each with the true
/// count.
async fn miscounted(db: &Transaction<'_>, drift: &mut Drift) -> Result<Vec<(i64, i64)>> {
    let select = "SELECT stated_group.id AS id, count, coalesce(members, 0) AS members, \
             feature_type, frequency, time_key, timezone
         FROM stated_group
         JOIN feature ON feature.id = feature
         LEFT JOIN (
             SELECT group_id, count(*) AS members FROM preference
             WHERE group_id IS NOT NULL GROUP BY group_id) AS counted
             ON group_id = stated_group.id
         ORDER BY stated_group.id";
    let mut wrong = Vec::new();
    for row in query(db, select, &[]).await? {
        let (number, kept, counted): (i64, i64, i64) =
            (row.get("id"), row.get("count"), row.get("members"));
        drift.groups += 1;
        if kept == counted {
            continue;
        }
        wrong.push((number, counted));
        if drift.miscounted.len() < MOST_EXAMPLES {
            drift.miscounted.push(Miscounted {
                feature: feature_type(row.get("feature_type"))?,
                group: StatedGroup::from_row(&row)?,
                kept: kept.max(0) as u64,
                counted: counted as u64,
            });
        }
    }
    drift.miscounted_count = wrong.len() as u64;
    Ok(wrong)
}

/// Corrects the counts from this instant on. What was counted for earlier instants stays as it was.
async fn recount(writer: &mut Writer<'_>, mut drift: Drift) -> Result<Drift> {
    let counts = miscounted(writer.db(), &mut drift).await?;
    let at = writer.stamp().as_microsecond();
    let (groups, counts): (Vec<i64>, Vec<i64>) = counts.into_iter().unzip();
    let update = "WITH
             counted AS (
                 SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS counted (id, members)),
             noted AS (
                 INSERT INTO group_count (group_id, at, count) SELECT id, $3, members FROM counted)
         UPDATE stated_group
         SET count = members,
             empty_since = CASE WHEN members = 0 THEN coalesce(empty_since, $3) END
         FROM counted WHERE counted.id = stated_group.id";
    execute(writer.db(), update, &[&groups, &counts, &at]).await?;
    Ok(drift)
}
