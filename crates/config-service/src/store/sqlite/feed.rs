//! The change feed (F7): change rows by id, which the one writer gives in commit order.

use cohort_database::Fingerprint;
use cohort_preferences::{Change, ChangeKind, ChangePage, StatedGroup};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use super::names;
use super::row::columns;
use crate::cursor::{Incarnation, Position};
use crate::error::{ConfigServiceError, Result};
use crate::store::columns::{instant, tenant_id, unreadable};
use crate::store::names::Names;
use crate::store::settled::just_before;

/// The key of `meta` under which [`oldest_kept`] stands.
pub(super) const OLDEST_KEPT: &str = "oldest_kept";

/// Returns the number of the newest change, 0 if there was none. It may have been removed.
pub(super) fn newest(db: &Connection) -> Result<i64> {
    let mut select = db.prepare_cached("SELECT coalesce(max(id), 0) AS newest FROM change")?;
    let newest: i64 = select.query_row([], |row| row.get("newest"))?;
    Ok(newest.max(oldest_kept(db)?))
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

/// Returns the cursor behind the newest change.
pub(super) fn end(db: &Connection, incarnation: Incarnation) -> Result<String> {
    Ok(incarnation.position(position(db, newest(db)?)?))
}

/// Returns the position behind the change of this number, with its fingerprint if it is there.
fn position(db: &Connection, change: i64) -> Result<Position> {
    let mut select =
        db.prepare_cached("SELECT at, tenant, feature, version FROM change WHERE id = ?1")?;
    let values = select.query_row([change], |row| {
        Ok([row.get("at")?, row.get("tenant")?, row.get("feature")?, row.get("version")?])
    });
    let fingerprint = values.optional()?.map(|values| Fingerprint::of(&values));
    Ok(Position { change, fingerprint })
}

/// Fails with `CursorGone` unless the feed goes on from this position without a gap (F7), and the
/// change there is the one that the cursor was made of (F11). The oldest change kept may have been
/// removed by itself, and then only its number says that it is the same.
pub(super) fn check(db: &Connection, asked: Position) -> Result<()> {
    let oldest_kept = oldest_kept(db)?;
    if !(oldest_kept..=newest(db)?).contains(&asked.change) {
        return Err(ConfigServiceError::CursorGone);
    }
    match (asked.fingerprint, position(db, asked.change)?.fingerprint) {
        (Some(asked), Some(found)) if asked != found => Err(ConfigServiceError::CursorGone),
        (Some(_), None) if asked.change > oldest_kept => Err(ConfigServiceError::CursorGone),
        _ => Ok(()),
    }
}

/// Returns at most `limit` changes behind `after`; `settled` was settled before the snapshot was
/// taken.
pub(super) fn page(
    db: &Connection,
    names: &Names,
    incarnation: Incarnation,
    after: Position,
    limit: usize,
    settled: Timestamp,
) -> Result<ChangePage> {
    check(db, after)?;
    // A change of timezone or labels alone is no change of a preference.
    let mut select = db.prepare_cached(
        "SELECT change.id AS id, tenant, tenant_id, feature, version, at, \
             preference IS NULL AS is_deleted, left_group, joined_group
         FROM change LEFT JOIN tenant ON tenant.id = tenant
         WHERE change.id > ?1 AND feature IS NOT NULL ORDER BY change.id LIMIT ?2",
    )?;
    let columns = ChangeColumns::of(&select)?;
    let mut rows = select.query((after.change, limit as i64))?;
    let (mut changes, mut next) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        let id = incarnation.position(columns.position(row)?);
        next = Some(id.clone());
        changes.push(columns.change(db, names, row, id)?);
    }
    let next = match next {
        Some(next) => next,
        None => incarnation.position(position(db, after.change)?),
    };
    let is_cut = changes.len() == limit;
    let complete_until = match changes.last() {
        // The rows that were cut off are stamped no earlier than the last that was not.
        Some(last) if is_cut => settled.min(just_before(last.at)),
        _ => settled,
    };
    Ok(ChangePage { changes, next, complete_until })
}

impl ChangeColumns {
    fn position(&self, row: &Row<'_>) -> Result<Position> {
        let values = [
            row.get(self.at)?,
            row.get(self.tenant)?,
            row.get(self.feature)?,
            row.get(self.version)?,
        ];
        Ok(Position { change: row.get(self.id)?, fingerprint: Some(Fingerprint::of(&values)) })
    }

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
