//! The feature registry: every version of each definition is kept, and each is a row of the feed
//! (T12).

use cohort_database::Transaction;
use cohort_database::statement::{execute, query_one};
use tokio_postgres::Row;

use super::row::{FromRow, query};
use super::writer::Writer;
use crate::error::Result;
use crate::registry::{Definition, Registration};
use crate::store::columns::{self, feature_type, instant};

impl FromRow for Definition {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            feature: feature_type(row.get("feature_type"))?,
            version: row.get::<_, i64>("version") as u64,
            at: instant(row.get("at"))?,
            actor: row.get("actor"),
            content: columns::definition(row.get("definition"))?,
        })
    }
}

/// Returns the newest definition of every registered feature, by name.
pub(super) async fn all(db: &Transaction<'_>) -> Result<Vec<Definition>> {
    let select = "SELECT feature_type, feature.version AS version, at, actor, definition
         FROM feature
         JOIN feature_definition ON feature_definition.feature = feature.id
             AND feature_definition.version = feature.version
         ORDER BY feature_type";
    query(db, select, &[]).await
}

/// Registers the next version.
pub(super) async fn register(
    writer: &mut Writer<'_>,
    registration: Registration,
) -> Result<Definition> {
    let Registration { feature, actor, definition, precondition } = registration;
    let number = writer.feature(&feature).await?;
    let select = "SELECT version FROM feature WHERE id = $1";
    let current: i64 = query_one(writer.db(), select, &[&number]).await?.get("version");
    precondition.check((current > 0).then_some(current as u64))?;
    let (version, at, change) = (current + 1, writer.stamp(), writer.next_change());
    let (micros, text) = (at.as_microsecond(), definition.to_json().to_string());
    let insert = "INSERT INTO feature_definition (feature, version, at, actor, definition)
         VALUES ($1, $2, $3, $4, $5)";
    execute(writer.db(), insert, &[&number, &version, &micros, &actor, &text]).await?;
    let update = "UPDATE feature SET version = $2 WHERE id = $1";
    execute(writer.db(), update, &[&number, &version]).await?;
    let insert = "INSERT INTO change (id, at, feature, version, actor, rules)
         VALUES ($1, $2, $3, $4, $5, 0)";
    execute(writer.db(), insert, &[&change, &micros, &number, &version, &actor]).await?;
    Ok(Definition { feature, version: version as u64, at, actor, content: definition })
}
