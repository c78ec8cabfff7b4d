//! API keys in SQLite.

use rusqlite::{Connection, OptionalExtension};

use super::names::unreadable;
use super::write::Writer;
use crate::key::{ApiKey, KeyHash, Scope};
use crate::store::Result;

/// The key of this hash, unless it is revoked.
pub(super) fn find(db: &Connection, hash: &KeyHash) -> Result<Option<ApiKey>> {
    let mut select = db.prepare_cached("SELECT name, scope FROM api_key WHERE hash = ?1 AND revoked_at IS NULL")?;
    let found: Option<(String, String)> = select.query_row([hash], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((name, scope)) = found else { return Ok(None) };
    let scope = Scope::named(&scope).ok_or_else(|| unreadable("scope", &scope))?;
    Ok(Some(ApiKey { name, scope }))
}

/// Stores a key; with `only_first`, only if no key is there, revoked ones counted.
pub(super) fn add(writer: &mut Writer<'_>, hash: &KeyHash, key: &ApiKey, only_first: bool) -> Result<bool> {
    let created_at = writer.stamp().as_microsecond();
    let mut insert = writer.db().prepare_cached(
        "INSERT INTO api_key (hash, name, scope, created_at)
         SELECT ?1, ?2, ?3, ?4 WHERE NOT ?5 OR NOT EXISTS (SELECT 1 FROM api_key)",
    )?;
    Ok(insert.execute((hash, &key.name, key.scope.as_str(), created_at, only_first))? == 1)
}
