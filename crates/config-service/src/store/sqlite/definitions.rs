//! The feature registry: every version of each definition is kept, and each is a row of the feed
//! (T12).

use rusqlite::{Connection, Row};

use super::row::{FromRow, query};
use super::writer::Writer;
use crate::error::Result;
use crate::registry::{Definition, Registration};
use crate::store::columns::{self, feature_type, instant};

impl FromRow for Definition {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            feature: feature_type(&row.get::<_, String>("feature_type")?)?,
            version: row.get::<_, i64>("version")? as u64,
            at: instant(row.get("at")?)?,
            actor: row.get("actor")?,
            content: columns::definition(&row.get::<_, String>("definition")?)?,
        })
    }
}

/// Returns the newest definition of every registered feature, by name.
pub(super) fn all(db: &Connection) -> Result<Vec<Definition>> {
    let select = "SELECT feature_type, feature.version AS version, at, actor, definition
         FROM feature
         JOIN feature_definition ON feature_definition.feature = feature.id
             AND feature_definition.version = feature.version
         ORDER BY feature_type";
    query(db, select, [])
}

/// Registers the next version.
pub(super) fn register(writer: &mut Writer<'_>, registration: Registration) -> Result<Definition> {
    let Registration { feature, actor, definition, precondition } = registration;
    let number = writer.feature(&feature)?;
    let db = writer.db();
    let current: i64 = db
        .prepare_cached("SELECT version FROM feature WHERE id = ?1")?
        .query_row([number], |row| row.get("version"))?;
    precondition.check((current > 0).then_some(current as u64))?;
    let (version, at) = (current + 1, writer.stamp());
    let micros = at.as_microsecond();
    let mut insert = db.prepare_cached(
        "INSERT INTO feature_definition (feature, version, at, actor, definition)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    insert.execute((number, version, micros, &actor, definition.to_json().to_string()))?;
    db.prepare_cached("UPDATE feature SET version = ?2 WHERE id = ?1")?
        .execute((number, version))?;
    let mut change = db.prepare_cached(
        "INSERT INTO change (at, feature, version, actor, rules) VALUES (?1, ?2, ?3, ?4, 0)",
    )?;
    change.execute((micros, number, version, &actor))?;
    Ok(Definition { feature, version: version as u64, at, actor, content: definition })
}
