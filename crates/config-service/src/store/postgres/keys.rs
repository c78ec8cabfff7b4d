//! API keys.

use cohort_database::Transaction;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::write::Writer;
use crate::key::{ApiKey, KeyHash, KeyUse, NewKey, Scopes};
use crate::store::Result;
use crate::store::columns::{instant, unreadable};
use cohort_database::statement::{Bound, execute, query, query_opt};

const KEY: &str = "SELECT id, name, scopes, created_at, created_by, expires_at, revoked_at, \
    last_used_at, uses FROM api_key";

/// The key of this hash, whether it is valid or not.
pub(super) async fn find(db: &Transaction<'_>, hash: &KeyHash) -> Result<Option<ApiKey>> {
    let row = query_opt(db, &format!("{KEY} WHERE hash = $1"), &[&hash.as_slice()]).await?;
    row.as_ref().map(key).transpose()
}

/// All keys.
pub(super) async fn all(db: &Transaction<'_>) -> Result<Vec<ApiKey>> {
    query(db, &format!("{KEY} ORDER BY id"), &[]).await?.iter().map(key).collect()
}

fn key(row: &Row) -> Result<ApiKey> {
    let scopes: &str = row.get(2);
    let optional = |column: usize| row.get::<_, Option<i64>>(column).map(instant).transpose();
    Ok(ApiKey {
        id: row.get::<_, i64>(0) as u64,
        name: row.get(1),
        scopes: Scopes::parse(scopes).ok_or_else(|| unreadable("scopes", scopes))?,
        created_at: instant(row.get(3))?,
        created_by: row.get(4),
        expires_at: optional(5)?,
        revoked_at: optional(6)?,
        last_used_at: optional(7)?,
        uses: row.get::<_, i64>(8) as u64,
    })
}

/// Stores a key; with `only_first`, only if no key is there, revoked ones counted.
pub(super) async fn add(
    writer: &mut Writer<'_>,
    key: &NewKey,
    only_first: bool,
) -> Result<Option<ApiKey>> {
    let created_at = writer.stamp().as_microsecond();
    let expires_at = key.expires_at.map(Timestamp::as_microsecond);
    let insert = "INSERT INTO api_key (hash, name, scopes, created_at, created_by, expires_at)
         SELECT $1, $2, $3, $4, $5, $6 WHERE NOT $7 OR NOT EXISTS (SELECT 1 FROM api_key)";
    let bound: Bound<'_> = &[
        &key.hash.as_slice(),
        &key.name,
        &key.scopes.text(),
        &created_at,
        &key.created_by,
        &expires_at,
        &only_first,
    ];
    let inserted = execute(writer.db(), insert, bound).await?;
    if inserted == 1 { find(writer.db(), &key.hash).await } else { Ok(None) }
}

/// Revokes a key; one that is revoked already stays as it is.
pub(super) async fn revoke(writer: &mut Writer<'_>, id: u64) -> Result<Option<ApiKey>> {
    let at = writer.stamp().as_microsecond();
    let update = "UPDATE api_key SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1";
    execute(writer.db(), update, &[&(id as i64), &at]).await?;
    let row = query_opt(writer.db(), &format!("{KEY} WHERE id = $1"), &[&(id as i64)]).await?;
    row.as_ref().map(key).transpose()
}

/// Adds to what is noted of the use of keys.
pub(super) async fn note_uses(writer: &Writer<'_>, uses: &[KeyUse]) -> Result<()> {
    let update = "UPDATE api_key SET last_used_at = $2, uses = uses + $3 WHERE id = $1";
    for used in uses {
        execute(
            writer.db(),
            update,
            &[&(used.id as i64), &used.last_used_at.as_microsecond(), &(used.uses as i64)],
        )
        .await?;
    }
    Ok(())
}
