//! The feature registry: every version of each definition is kept, and each is a row of the feed (T12).

use cohort_preferences::FeatureDefinition;
use rusqlite::{Connection, Row};

use super::write::Writer;
use crate::registry::{Definition, Registration};
use crate::store::Result;
use crate::store::columns::{feature_type, instant, unreadable};

const DEFINITION: &str = "SELECT feature_type, feature.version, at, actor, definition FROM feature
    JOIN feature_definition ON feature_definition.feature = feature.id AND feature_definition.version = feature.version";

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

fn definition(row: &Row<'_>) -> Result<Definition> {
    let (feature, text): (String, String) = (row.get(0)?, row.get(4)?);
    let value = serde_json::from_str(&text).map_err(|error| unreadable("definition of", &format!("{feature}: {error}")))?;
    Ok(Definition {
        feature: feature_type(&feature)?,
        version: row.get::<_, i64>(1)? as u64,
        at: instant(row.get(2)?)?,
        actor: row.get(3)?,
        content: FeatureDefinition::from_json(&value).map_err(|invalid| unreadable("definition of", &format!("{feature}: {invalid}")))?,
    })
}

/// Registers the next version.
pub(super) fn register(writer: &mut Writer<'_>, registration: Registration) -> Result<Definition> {
    let Registration { feature, actor, definition, precondition } = registration;
    let number = writer.feature(&feature)?;
    let db = writer.db();
    let current: i64 = db.prepare_cached("SELECT version FROM feature WHERE id = ?1")?.query_row([number], |row| row.get(0))?;
    precondition.check((current > 0).then_some(current as u64))?;
    let (version, at) = (current + 1, writer.stamp());
    let mut insert =
        db.prepare_cached("INSERT INTO feature_definition (feature, version, at, actor, definition) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    insert.execute((number, version, at.as_microsecond(), &actor, definition.to_json().to_string()))?;
    db.prepare_cached("UPDATE feature SET version = ?2 WHERE id = ?1")?.execute((number, version))?;
    let mut change = db.prepare_cached("INSERT INTO change (at, feature, version, actor, rules) VALUES (?1, ?2, ?3, ?4, 0)")?;
    change.execute((at.as_microsecond(), number, version, &actor))?;
    Ok(Definition { feature, version: version as u64, at, actor, content: definition })
}
