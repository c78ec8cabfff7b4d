//! The change feed (F7): change rows by id, which the one writer gives in commit order.

use cohort_preferences::{Change, ChangeKind, ChangePage};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use super::names;
use crate::cursor::Incarnation;
use crate::error::ConfigServiceError;
use crate::store::Result;
use crate::store::columns::{instant, tenant_id, unreadable};
use crate::store::names::Names;
use crate::store::settle::just_before;

/// The number of the newest change, 0 if there is none.
pub(super) fn newest(db: &Connection) -> Result<i64> {
    let mut select = db.prepare_cached("SELECT coalesce(max(id), 0) FROM change")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

/// The number below which changes may have been removed; 0 while none was.
pub(super) fn oldest_kept(db: &Connection) -> Result<i64> {
    let mut select = db.prepare_cached("SELECT value FROM meta WHERE key = 'oldest_kept'")?;
    let kept: Option<String> = select.query_row([], |row| row.get(0)).optional()?;
    kept.map_or(Ok(0), |kept| {
        kept.parse().map_err(|_no_number| unreadable("oldest change kept", &kept))
    })
}

/// At most `limit` changes behind `after`; `settled` was settled before the snapshot was taken.
pub(super) fn page(
    db: &Connection,
    names: &Names,
    incarnation: Incarnation,
    after: i64,
    limit: usize,
    settled: Timestamp,
) -> Result<ChangePage> {
    if !(oldest_kept(db)?..=newest(db)?).contains(&after) {
        return Err(ConfigServiceError::CursorGone);
    }
    // A change of timezone or labels alone is no change of a preference.
    let mut select = db.prepare_cached(
        "SELECT change.id, tenant_id, feature, version, at, preference IS NULL, left_group, \
         joined_group, tenant FROM change
         LEFT JOIN tenant ON tenant.id = tenant WHERE change.id > ?1 AND feature IS NOT NULL ORDER \
         BY change.id LIMIT ?2",
    )?;
    let mut rows = select.query((after, limit as i64))?;
    let (mut changes, mut last) = (Vec::new(), after);
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        changes.push(change(db, names, row, incarnation.position(last))?);
    }
    let is_cut = changes.len() == limit;
    let complete_until = match changes.last() {
        // The rows that were cut off are stamped no earlier than the last that was not.
        Some(last) if is_cut => settled.min(just_before(last.at)),
        _ => settled,
    };
    Ok(ChangePage { changes, next: incarnation.position(last), complete_until })
}

fn change(db: &Connection, names: &Names, row: &Row<'_>, id: String) -> Result<Change> {
    let group = |number: Option<i64>| {
        number
            .map(|number| names::group(db, names, number).map(|group| (*group).clone()))
            .transpose()
    };
    let (tenant, number): (Option<String>, Option<i64>) = (row.get(1)?, row.get(8)?);
    let is_empty: bool = row.get(5)?;
    let kind = match number {
        None => ChangeKind::Defaults,
        Some(_) if is_empty => ChangeKind::Deleted,
        Some(_) => ChangeKind::Set,
    };
    Ok(Change {
        id,
        tenant_id: tenant.map(|tenant| tenant_id(&tenant)).transpose()?,
        number: number.map(|number| number as u64),
        feature_type: names::feature(db, names, row.get(2)?)?,
        version: row.get::<_, i64>(3)? as u64,
        at: instant(row.get(4)?)?,
        kind,
        left: group(row.get(6)?)?,
        joined: group(row.get(7)?)?,
    })
}
