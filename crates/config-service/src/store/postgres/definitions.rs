//! The feature registry: every version of each definition is kept, and each is a row of the feed
//! (T12).

use cohort_database::Transaction;
use cohort_preferences::FeatureDefaults;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::write::Writer;
use crate::registry::{Definition, Registration};
use crate::store::Result;
use crate::store::columns::{self, feature_type, instant};
use cohort_database::statement::{execute, query, query_one};

const DEFINITION: &str = "SELECT feature_type, feature.version, at, actor, definition FROM feature
    JOIN feature_definition ON feature_definition.feature = feature.id AND \
    feature_definition.version = feature.version";

/// The newest definition of every registered feature, by name.
pub(super) async fn all(db: &Transaction<'_>) -> Result<Vec<Definition>> {
    query(db, &format!("{DEFINITION} ORDER BY feature_type"), &[])
        .await?
        .iter()
        .map(definition)
        .collect()
}

/// The defaults of a feature that hold now or held later than `after`, oldest first.
pub(super) async fn defaults(
    db: &Transaction<'_>,
    feature: i64,
    after: Timestamp,
) -> Result<Vec<FeatureDefaults>> {
    let select = "SELECT at, definition FROM feature_definition
         WHERE feature = $1 AND version >= coalesce((SELECT max(version) FROM feature_definition \
         WHERE feature = $1 AND at <= $2), 1)
         ORDER BY version";
    let rows = query(db, select, &[&feature, &after.as_microsecond()]).await?;
    rows.iter().map(|row| columns::defaults(row.get(0), row.get(1))).collect()
}

fn definition(row: &Row) -> Result<Definition> {
    Ok(Definition {
        feature: feature_type(row.get(0))?,
        version: row.get::<_, i64>(1) as u64,
        at: instant(row.get(2))?,
        actor: row.get(3),
        content: columns::definition(row.get(4))?,
    })
}

/// Registers the next version.
pub(super) async fn register(
    writer: &mut Writer<'_>,
    registration: Registration,
) -> Result<Definition> {
    let Registration { feature, actor, definition, precondition } = registration;
    let number = writer.feature(&feature).await?;
    let current: i64 =
        query_one(writer.db(), "SELECT version FROM feature WHERE id = $1", &[&number])
            .await?
            .get(0);
    precondition.check((current > 0).then_some(current as u64))?;
    let (version, at, change) = (current + 1, writer.stamp(), writer.next_change());
    let micros = at.as_microsecond();
    let insert = "INSERT INTO feature_definition (feature, version, at, actor, definition) VALUES \
        ($1, $2, $3, $4, $5)";
    execute(
        writer.db(),
        insert,
        &[&number, &version, &micros, &actor, &definition.to_json().to_string()],
    )
    .await?;
    execute(writer.db(), "UPDATE feature SET version = $2 WHERE id = $1", &[&number, &version])
        .await?;
    let insert = "INSERT INTO change (id, at, feature, version, actor, rules) VALUES ($1, $2, $3, \
        $4, $5, 0)";
    execute(writer.db(), insert, &[&change, &micros, &number, &version, &actor]).await?;
    Ok(Definition { feature, version: version as u64, at, actor, content: definition })
}
