//! API keys.

use jiff::Timestamp;
use rusqlite::{Connection, Row, named_params};

use super::row::{FromRow, query, query_opt};
use super::writer::Writer;
use crate::error::Result;
use crate::key::{ApiKey, KeyHash, KeyUse, NewKey, Scopes};
use crate::store::columns::{instant, unreadable};

const KEY: &str = "SELECT id, name, scopes, created_at, created_by, expires_at, revoked_at, \
    last_used_at, uses FROM api_key";

impl FromRow for ApiKey {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let scopes: String = row.get("scopes")?;
        let optional = |column| row.get::<_, Option<i64>>(column)?.map(instant).transpose();
        Ok(Self {
            id: row.get::<_, i64>("id")? as u64,
            name: row.get("name")?,
            scopes: Scopes::parse(&scopes).ok_or_else(|| unreadable("scopes", &scopes))?,
            created_at: instant(row.get("created_at")?)?,
            created_by: row.get("created_by")?,
            expires_at: optional("expires_at")?,
            revoked_at: optional("revoked_at")?,
            last_used_at: optional("last_used_at")?,
            uses: row.get::<_, i64>("uses")? as u64,
        })
    }
}

/// Returns the key of this hash, whether it is valid or not.
pub(super) fn find(db: &Connection, hash: &KeyHash) -> Result<Option<ApiKey>> {
    query_opt(db, &format!("{KEY} WHERE hash = ?1"), [hash])
}

/// Returns all keys, ascending by id.
pub(super) fn all(db: &Connection) -> Result<Vec<ApiKey>> {
    query(db, &format!("{KEY} ORDER BY id"), [])
}

/// Stores a key; with `only_first`, only if no key is there, revoked ones counted.
pub(super) fn add(writer: &Writer<'_>, key: &NewKey, only_first: bool) -> Result<Option<ApiKey>> {
    let mut insert = writer.db().prepare_cached(
        "INSERT INTO api_key (hash, name, scopes, created_at, created_by, expires_at)
         SELECT :hash, :name, :scopes, :created_at, :created_by, :expires_at
         WHERE NOT :only_first OR NOT EXISTS (SELECT 1 FROM api_key)",
    )?;
    let inserted = insert.execute(named_params! {
        ":hash": key.hash,
        ":name": key.name,
        ":scopes": key.scopes.text(),
        ":created_at": writer.stamp().as_microsecond(),
        ":created_by": key.created_by,
        ":expires_at": key.expires_at.map(Timestamp::as_microsecond),
        ":only_first": only_first,
    })?;
    if inserted == 1 { find(writer.db(), &key.hash) } else { Ok(None) }
}

/// Revokes a key; one that is revoked already stays as it is.
pub(super) fn revoke(writer: &Writer<'_>, id: u64) -> Result<Option<ApiKey>> {
    let at = writer.stamp().as_microsecond();
    let mut update = writer
        .db()
        .prepare_cached("UPDATE api_key SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1")?;
    update.execute((id as i64, at))?;
    query_opt(writer.db(), &format!("{KEY} WHERE id = ?1"), [id as i64])
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
