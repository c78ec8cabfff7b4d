//! A tenant's history (W3): each change row names the one before of the same preference, so that a
//! history is walked back from the present and needs no index of its own.

use std::collections::BTreeMap;

use cohort_preferences::{FeatureType, TenantId};
use rusqlite::{Connection, Row};

use super::row::{FromRow, query_opt};
use super::tenant::tenant;
use crate::error::Result;
use crate::store::columns::instant;
use crate::store::list::HistoryEntry;

/// Returns the changes of a tenant before the one of this number, newest first.
pub(super) fn list(
    db: &Connection,
    name: &TenantId,
    feature: Option<&FeatureType>,
    before: i64,
    limit: usize,
) -> Result<Vec<HistoryEntry>> {
    let Some(tenant) = tenant(db, name, feature)? else { return Ok(Vec::new()) };
    let profile = tenant.profile_change.filter(|_| feature.is_none()).map(|change| (change, None));
    let preferences =
        tenant.preferences.iter().map(|(feature, current)| (current.change, Some(feature.clone())));
    // The newest change of each chain that is not yet told: the greatest is the next.
    let mut chains: BTreeMap<i64, Option<FeatureType>> = preferences.chain(profile).collect();
    let mut entries = Vec::new();
    while entries.len() < limit
        && let Some((change, feature)) = chains.pop_last()
    {
        let Some(Link { entry, previous }) = link(db, change)? else { continue };
        chains.extend(previous.map(|previous| (previous, feature.clone())));
        if change < before {
            entries.push(HistoryEntry { feature, ..entry });
        }
    }
    Ok(entries)
}

/// A change, without its feature, and the one before it.
struct Link {
    entry: HistoryEntry,
    previous: Option<i64>,
}

/// Returns a change and the one before it; `None` if it is no longer kept.
fn link(db: &Connection, change: i64) -> Result<Option<Link>> {
    let select = "SELECT change.id AS id, change.at AS at, change.actor AS actor, \
             change.version AS version, change.rules AS rules, \
             before.preference AS preference_before, change.preference AS preference_after, \
             change.previous AS previous
         FROM change LEFT JOIN change AS before ON before.id = change.previous
         WHERE change.id = ?1";
    query_opt(db, select, [change])
}

impl FromRow for Link {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let entry = HistoryEntry {
            change: row.get("id")?,
            at: instant(row.get("at")?)?,
            actor: row.get("actor")?,
            feature: None,
            version: row.get::<_, i64>("version")? as u64,
            before: row.get("preference_before")?,
            after: row.get("preference_after")?,
            rules: row.get::<_, i64>("rules")? as u64,
        };
        Ok(Self { entry, previous: row.get("previous")? })
    }
}
