//! Brings the file's schema up to date.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::connection::connect;
use crate::error::DatabaseError;
use crate::migrations::{CREATE_RECORD, Migrations, READ_RECORD};

/// Records which programs may use the file from now on, then applies what it lacks.
pub(super) fn run(path: &Path, migrations: &Migrations) -> Result<(), DatabaseError> {
    let database = path.display().to_string();
    let mut connection = connect(path, false)?;
    connection.execute_batch(CREATE_RECORD)?;

    let recorded = record(&connection)?;
    migrations.check(recorded.as_deref(), &database)?;
    if let Some(oldest) = migrations.raised(recorded.as_deref(), &database)? {
        connection.execute("INSERT OR REPLACE INTO compatibility VALUES (1, ?1)", [oldest])?;
    }
    let runner = migrations.runner(newest_applied(&connection)?);
    runner
        .run(&mut connection)
        .map_err(|source| DatabaseError::Migrate { database, source: Box::new(source) })?;
    Ok(())
}

/// Fails unless the program may use the file as it is.
pub(super) fn check(path: &Path, migrations: &Migrations) -> Result<(), DatabaseError> {
    let connection = connect(path, true)?;
    let recorded =
        if connection.table_exists(None, "compatibility")? { record(&connection)? } else { None };
    migrations.check(recorded.as_deref(), &path.display().to_string())
}

fn record(connection: &Connection) -> Result<Option<String>, DatabaseError> {
    Ok(connection.query_row(READ_RECORD, [], |row| row.get(0)).optional()?)
}

fn newest_applied(connection: &Connection) -> Result<Option<i32>, DatabaseError> {
    if !connection.table_exists(None, "refinery_schema_history")? {
        return Ok(None);
    }
    Ok(connection
        .query_row("SELECT max(version) FROM refinery_schema_history", [], |row| row.get(0))?)
}
