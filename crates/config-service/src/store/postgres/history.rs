//! A tenant's history (W3): each change row names the one before of the same preference, so that a
//! history is walked back from the present and needs no index of its own.

use cohort_database::Transaction;
use cohort_preferences::{FeatureType, TenantId};
use tokio_postgres::Row;

use super::names::{feature, learn_features};
use super::tenant::tenant;
use crate::error::Result;
use crate::store::columns::instant;
use crate::store::list::HistoryEntry;
use crate::store::names::Names;
use cohort_database::statement::query;

/// Returns the changes of a tenant before the one of this number, newest first.
pub(super) async fn list(
    db: &Transaction<'_>,
    names: &Names,
    name: &TenantId,
    feature: Option<&FeatureType>,
    before: i64,
    limit: usize,
) -> Result<Vec<HistoryEntry>> {
    let Some(tenant) = tenant(db, name).await? else { return Ok(Vec::new()) };
    let profile = tenant.profile_change.filter(|_| feature.is_none());
    let preferences = tenant
        .preferences
        .iter()
        .filter(|(stated, _)| feature.is_none_or(|feature| feature == *stated));
    let newest: Vec<i64> = preferences.map(|(_, current)| current.change).chain(profile).collect();
    let select = "WITH RECURSIVE chain AS (
             SELECT change.* FROM change WHERE id = ANY($1)
             UNION ALL SELECT change.* FROM chain JOIN change ON change.id = chain.previous)
         SELECT told.id AS id, told.at AS at, told.actor AS actor, told.feature AS feature, \
             told.version AS version, told.rules AS rules, \
             before.preference AS preference_before, told.preference AS preference_after
         FROM (SELECT * FROM chain WHERE id < $2 ORDER BY id DESC LIMIT $3) AS told
         LEFT JOIN change AS before ON before.id = told.previous ORDER BY told.id DESC";
    let rows = query(db, select, &[&newest, &before, &(limit as i64)]).await?;
    learn_features(db, names, rows.iter().filter_map(|row| row.get("feature"))).await?;
    rows.iter().map(|row| entry(names, row)).collect()
}

fn entry(names: &Names, row: &Row) -> Result<HistoryEntry> {
    let number: Option<i64> = row.get("feature");
    Ok(HistoryEntry {
        change: row.get("id"),
        at: instant(row.get("at"))?,
        actor: row.get("actor"),
        feature: number.map(|number| feature(names, number)).transpose()?,
        version: row.get::<_, i64>("version") as u64,
        before: row.get("preference_before"),
        after: row.get("preference_after"),
        rules: row.get::<_, i64>("rules") as u64,
    })
}
