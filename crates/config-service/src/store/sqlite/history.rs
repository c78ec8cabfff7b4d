//! A tenant's history (W3): each change row names the one before of the same preference, so that a
//! history is walked back from the present and needs no index of its own.

use std::collections::BTreeMap;

use cohort_preferences::{FeatureType, TenantId};
use rusqlite::{Connection, OptionalExtension};

use super::read;
use crate::store::Result;
use crate::store::columns::instant;
use crate::store::list::HistoryEntry;

/// The changes of a tenant before the one of this number, newest first.
pub(super) fn list(
    db: &Connection,
    tenant: &TenantId,
    feature: Option<&FeatureType>,
    before: i64,
    limit: usize,
) -> Result<Vec<HistoryEntry>> {
    let Some(tenant) = read::tenant(db, tenant, feature)? else { return Ok(Vec::new()) };
    let profile = tenant.profile_change.filter(|_| feature.is_none()).map(|change| (change, None));
    let preferences =
        tenant.preferences.iter().map(|(feature, current)| (current.change, Some(feature.clone())));
    // The newest change of each chain that is not yet told: the greatest is the next.
    let mut chains: BTreeMap<i64, Option<FeatureType>> = preferences.chain(profile).collect();
    let mut entries = Vec::new();
    while entries.len() < limit
        && let Some((change, feature)) = chains.pop_last()
    {
        let Some((entry, previous)) = entry(db, change, feature.clone())? else { continue };
        chains.extend(previous.map(|previous| (previous, feature)));
        if change < before {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// A change and the one before it; `None` if it is no longer kept.
fn entry(
    db: &Connection,
    change: i64,
    feature: Option<FeatureType>,
) -> Result<Option<(HistoryEntry, Option<i64>)>> {
    let mut select = db.prepare_cached(
        "SELECT change.at, change.actor, change.version, change.rules, change.preference, \
         before.preference, change.previous
         FROM change LEFT JOIN change AS before ON before.id = change.previous WHERE change.id = \
         ?1",
    )?;
    let row = select.query_row([change], |row| {
        let entry = (
            row.get::<_, i64>(0)?,
            row.get(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, i64>(3)?,
            row.get(4)?,
            row.get(5)?,
        );
        Ok((entry, row.get(6)?))
    });
    let Some(((at, actor, version, rules, after, before), previous)) = row.optional()? else {
        return Ok(None);
    };
    let (version, rules) = (version as u64, rules as u64);
    Ok(Some((
        HistoryEntry { change, at: instant(at)?, actor, feature, version, before, after, rules },
        previous,
    )))
}
