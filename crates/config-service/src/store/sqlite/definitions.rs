//! The feature registry: every version of each definition is kept, and each is a row of the feed
//! (T12).

use cohort_preferences::FeatureDefaults;
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::write::Writer;
use crate::registry::{Definition, Registration};
use crate::store::Result;
use crate::store::columns::{self, feature_type, instant};

const DEFINITION: &str = "SELECT feature_type, feature.version, at, actor, definition FROM feature
    JOIN feature_definition ON feature_definition.feature = feature.id AND \
    feature_definition.version = feature.version";

/// The newest definition of every registered feature, by name.
pub(super) fn all(db: &Connection) -> Result<Vec<Definition>> {
    let mut select = db.prepare_cached(&format!("{DEFINITION} ORDER BY feature_type"))?;
    let mut rows = select.query([])?;
    let mut definitions = Vec::new();
    while let Some(row) = rows.next()? {
        definitions.push(definition(row)?);
    }
    Ok(definitions)
}

/// The defaults of a feature that hold now or held later than `after`, oldest first.
pub(super) fn defaults(
    db: &Connection,
    feature: i64,
    after: Timestamp,
) -> Result<Vec<FeatureDefaults>> {
    let mut select = db.prepare_cached(
        "SELECT at, definition FROM feature_definition
         WHERE feature = ?1 AND version >= coalesce((SELECT max(version) FROM feature_definition \
         WHERE feature = ?1 AND at <= ?2), 1)
         ORDER BY version",
    )?;
    let mut rows = select.query((feature, after.as_microsecond()))?;
    let mut defaults = Vec::new();
    while let Some(row) = rows.next()? {
        defaults.push(columns::defaults(row.get(0)?, &row.get::<_, String>(1)?)?);
    }
    Ok(defaults)
}

fn definition(row: &Row<'_>) -> Result<Definition> {
    Ok(Definition {
        feature: feature_type(&row.get::<_, String>(0)?)?,
        version: row.get::<_, i64>(1)? as u64,
        at: instant(row.get(2)?)?,
        actor: row.get(3)?,
        content: columns::definition(&row.get::<_, String>(4)?)?,
    })
}

/// Registers the next version.
pub(super) fn register(writer: &mut Writer<'_>, registration: Registration) -> Result<Definition> {
    let Registration { feature, actor, definition, precondition } = registration;
    let number = writer.feature(&feature)?;
    let db = writer.db();
    let current: i64 = db
        .prepare_cached("SELECT version FROM feature WHERE id = ?1")?
        .query_row([number], |row| row.get(0))?;
    precondition.check((current > 0).then_some(current as u64))?;
    let (version, at) = (current + 1, writer.stamp());
    let mut insert = db.prepare_cached(
        "INSERT INTO feature_definition (feature, version, at, actor, \
            definition) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    insert.execute((
        number,
        version,
        at.as_microsecond(),
        &actor,
        definition.to_json().to_string(),
    ))?;
    db.prepare_cached("UPDATE feature SET version = ?2 WHERE id = ?1")?
        .execute((number, version))?;
    let mut change = db.prepare_cached(
        "INSERT INTO change (at, feature, version, actor, rules) VALUES (?1, ?2, ?3, ?4, 0)",
    )?;
    change.execute((at.as_microsecond(), number, version, &actor))?;
    Ok(Definition { feature, version: version as u64, at, actor, content: definition })
}
