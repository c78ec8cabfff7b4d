//! The change feed (F7): change rows by id, which the one writer gives in commit order.

use cohort_preferences::{Change, ChangeKind, ChangePage, StatedGroup};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use super::names;
use super::row::columns;
use crate::cursor::Incarnation;
use crate::error::{ConfigServiceError, Result};
use crate::store::columns::{instant, tenant_id, unreadable};
use crate::store::names::Names;
use crate::store::settled::just_before;

/// The key of `meta` under which [`oldest_kept`] stands.
pub(super) const OLDEST_KEPT: &str = "oldest_kept";

/// Returns the number of the newest change, 0 if there is none.
pub(super) fn newest(db: &Connection) -> Result<i64> {
    let mut select = db.prepare_cached("SELECT coalesce(max(id), 0) AS newest FROM change")?;
    Ok(select.query_row([], |row| row.get("newest"))?)
}

/// Returns the number below which changes may have been removed; 0 while none was.
pub(super) fn oldest_kept(db: &Connection) -> Result<i64> {
    let mut select = db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let kept: Option<String> =
        select.query_row([OLDEST_KEPT], |row| row.get("value")).optional()?;
    kept.map_or(Ok(0), |kept| {
        kept.parse().map_err(|_no_number| unreadable("oldest change kept", &kept))
    })
}

columns! {
    /// Where the columns of a change stand.
    ChangeColumns {
        id, tenant, tenant_id, feature, version, at, is_deleted, left_group, joined_group,
    }
}

/// Returns at most `limit` changes behind `after`; `settled` was settled before the snapshot was
/// taken.
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
        "SELECT change.id AS id, tenant, tenant_id, feature, version, at, \
             preference IS NULL AS is_deleted, left_group, joined_group
         FROM change LEFT JOIN tenant ON tenant.id = tenant
         WHERE change.id > ?1 AND feature IS NOT NULL ORDER BY change.id LIMIT ?2",
    )?;
    let columns = ChangeColumns::of(&select)?;
    let mut rows = select.query((after, limit as i64))?;
    let (mut changes, mut last) = (Vec::new(), after);
    while let Some(row) = rows.next()? {
        last = row.get(columns.id)?;
        changes.push(columns.change(db, names, row, incarnation.position(last))?);
    }
    let is_cut = changes.len() == limit;
    let complete_until = match changes.last() {
        // The rows that were cut off are stamped no earlier than the last that was not.
        Some(last) if is_cut => settled.min(just_before(last.at)),
        _ => settled,
    };
    Ok(ChangePage { changes, next: incarnation.position(last), complete_until })
}

impl ChangeColumns {
    fn change(&self, db: &Connection, names: &Names, row: &Row<'_>, id: String) -> Result<Change> {
        let group = |number: Option<i64>| -> Result<Option<StatedGroup>> {
            let group = number.map(|number| names::group(db, names, number)).transpose()?;
            Ok(group.map(|group| (*group).clone()))
        };
        let name: Option<String> = row.get(self.tenant_id)?;
        let number: Option<i64> = row.get(self.tenant)?;
        let kind = match number {
            None => ChangeKind::Defaults,
            Some(_) if row.get(self.is_deleted)? => ChangeKind::Deleted,
            Some(_) => ChangeKind::Set,
        };
        Ok(Change {
            id,
            tenant_id: name.map(|name| tenant_id(&name)).transpose()?,
            number: number.map(|number| number as u64),
            feature_type: names::feature(db, names, row.get(self.feature)?)?,
            version: row.get::<_, i64>(self.version)? as u64,
            at: instant(row.get(self.at)?)?,
            kind,
            left: group(row.get(self.left_group)?)?,
            joined: group(row.get(self.joined_group)?)?,
        })
    }
}
