//! API keys.

use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::write::Writer;
use crate::key::{ApiKey, KeyHash, KeyUse, NewKey, Scopes};
use crate::store::Result;
use crate::store::columns::{instant, unreadable};

const KEY: &str = "SELECT id, name, scopes, created_at, created_by, expires_at, revoked_at, \
    last_used_at, uses FROM api_key";

/// The key of this hash, whether it is valid or not.
pub(super) fn find(db: &Connection, hash: &KeyHash) -> Result<Option<ApiKey>> {
    let mut select = db.prepare_cached(&format!("{KEY} WHERE hash = ?1"))?;
    let mut rows = select.query([hash])?;
    rows.next()?.map(key).transpose()
}

/// All keys.
pub(super) fn all(db: &Connection) -> Result<Vec<ApiKey>> {
    let mut select = db.prepare_cached(&format!("{KEY} ORDER BY id"))?;
    let mut rows = select.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(key(row)?);
    }
    Ok(keys)
}

fn key(row: &Row<'_>) -> Result<ApiKey> {
    let scopes: String = row.get(2)?;
    let optional = |column: usize| row.get::<_, Option<i64>>(column)?.map(instant).transpose();
    Ok(ApiKey {
        id: row.get::<_, i64>(0)? as u64,
        name: row.get(1)?,
        scopes: Scopes::parse(&scopes).ok_or_else(|| unreadable("scopes", &scopes))?,
        created_at: instant(row.get(3)?)?,
        created_by: row.get(4)?,
        expires_at: optional(5)?,
        revoked_at: optional(6)?,
        last_used_at: optional(7)?,
        uses: row.get::<_, i64>(8)? as u64,
    })
}

/// Stores a key; with `only_first`, only if no key is there, revoked ones counted.
pub(super) fn add(writer: &Writer<'_>, key: &NewKey, only_first: bool) -> Result<Option<ApiKey>> {
    let created_at = writer.stamp().as_microsecond();
    let mut insert = writer.db().prepare_cached(
        "INSERT INTO api_key (hash, name, scopes, created_at, created_by, expires_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT ?7 OR NOT EXISTS (SELECT 1 FROM api_key)",
    )?;
    let expires_at = key.expires_at.map(Timestamp::as_microsecond);
    let inserted = insert.execute((
        key.hash,
        &key.name,
        key.scopes.text(),
        created_at,
        &key.created_by,
        expires_at,
        only_first,
    ))?;
    if inserted == 1 { find(writer.db(), &key.hash) } else { Ok(None) }
}

/// Revokes a key; one that is revoked already stays as it is.
pub(super) fn revoke(writer: &Writer<'_>, id: u64) -> Result<Option<ApiKey>> {
    let at = writer.stamp().as_microsecond();
    let mut update = writer
        .db()
        .prepare_cached("UPDATE api_key SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1")?;
    update.execute((id as i64, at))?;
    let mut select = writer.db().prepare_cached(&format!("{KEY} WHERE id = ?1"))?;
    let mut rows = select.query([id as i64])?;
    rows.next()?.map(key).transpose()
}

/// Adds to what is noted of the use of keys.
pub(super) fn note_uses(writer: &Writer<'_>, uses: &[KeyUse]) -> Result<()> {
    let mut update = writer
        .db()
        .prepare_cached("UPDATE api_key SET last_used_at = ?2, uses = uses + ?3 WHERE id = ?1")?;
    for used in uses {
        update.execute((used.id as i64, used.last_used_at.as_microsecond(), used.uses as i64))?;
    }
    Ok(())
}
