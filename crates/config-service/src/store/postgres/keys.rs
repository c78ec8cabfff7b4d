//! API keys.

use cohort_database::Transaction;
use cohort_database::statement::execute;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::row::{FromRow, query, query_opt};
use super::writer::Writer;
use crate::error::Result;
use crate::key::{ApiKey, KeyHash, KeyUse, NewKey, Scopes};
use crate::store::columns::{instant, unreadable};

const KEY: &str = "SELECT id, name, scopes, created_at, created_by, expires_at, revoked_at, \
    last_used_at, uses FROM api_key";

impl FromRow for ApiKey {
    fn from_row(row: &Row) -> Result<Self> {
        let scopes: &str = row.get("scopes");
        let optional = |column| row.get::<_, Option<i64>>(column).map(instant).transpose();
        Ok(Self {
            id: row.get::<_, i64>("id") as u64,
            name: row.get("name"),
            scopes: Scopes::parse(scopes).ok_or_else(|| unreadable("scopes", scopes))?,
            created_at: instant(row.get("created_at"))?,
            created_by: row.get("created_by"),
            expires_at: optional("expires_at")?,
            revoked_at: optional("revoked_at")?,
            last_used_at: optional("last_used_at")?,
            uses: row.get::<_, i64>("uses") as u64,
        })
    }
}

/// Returns the key of this hash, whether it is valid or not.
pub(super) async fn find(db: &Transaction<'_>, hash: &KeyHash) -> Result<Option<ApiKey>> {
    query_opt(db, &format!("{KEY} WHERE hash = $1"), &[&hash.as_slice()]).await
}

/// Returns all keys, ascending by id.
pub(super) async fn all(db: &Transaction<'_>) -> Result<Vec<ApiKey>> {
    query(db, &format!("{KEY} ORDER BY id"), &[]).await
}

/// The columns of a new key, in the order of [`KeyValues::bound`].
const INSERT_KEY: &str = "INSERT INTO api_key (hash, name, scopes, created_at, created_by, \
    expires_at)
    SELECT $1, $2, $3, $4, $5, $6 WHERE NOT $7 OR NOT EXISTS (SELECT 1 FROM api_key)";

/// What the row of a new key holds.
struct KeyValues<'k> {
    hash: &'k [u8],
    name: &'k str,
    scopes: String,
    created_at: i64,
    created_by: &'k str,
    expires_at: Option<i64>,
    only_first: bool,
}

impl KeyValues<'_> {
    fn bound(&self) -> [&(dyn ToSql + Sync); 7] {
        [
            &self.hash,
            &self.name,
            &self.scopes,
            &self.created_at,
            &self.created_by,
            &self.expires_at,
            &self.only_first,
        ]
    }
}

/// Stores a key; with `only_first`, only if no key is there, revoked ones counted.
pub(super) async fn add(
    writer: &mut Writer<'_>,
    key: &NewKey,
    only_first: bool,
) -> Result<Option<ApiKey>> {
    let values = KeyValues {
        hash: &key.hash,
        name: &key.name,
        scopes: key.scopes.text(),
        created_at: writer.stamp().as_microsecond(),
        created_by: &key.created_by,
        expires_at: key.expires_at.map(Timestamp::as_microsecond),
        only_first,
    };
    let inserted = execute(writer.db(), INSERT_KEY, &values.bound()).await?;
    if inserted == 1 { find(writer.db(), &key.hash).await } else { Ok(None) }
}

/// Revokes a key; one that is revoked already stays as it is.
pub(super) async fn revoke(writer: &mut Writer<'_>, id: u64) -> Result<Option<ApiKey>> {
    let at = writer.stamp().as_microsecond();
    let update = "UPDATE api_key SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1";
    execute(writer.db(), update, &[&(id as i64), &at]).await?;
    query_opt(writer.db(), &format!("{KEY} WHERE id = $1"), &[&(id as i64)]).await
}

/// Adds to what is noted of the use of keys.
pub(super) async fn note_uses(writer: &Writer<'_>, uses: &[KeyUse]) -> Result<()> {
    let update = "UPDATE api_key SET last_used_at = $2, uses = uses + $3 WHERE id = $1";
    for KeyUse { id, last_used_at, uses } in uses {
        let (id, at, uses) = (*id as i64, last_used_at.as_microsecond(), *uses as i64);
        execute(writer.db(), update, &[&id, &at, &uses]).await?;
    }
    Ok(())
}
