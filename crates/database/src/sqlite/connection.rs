//! One connection to the file, and statements that need no result.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::DatabaseError;

/// Pages of 4 KiB in the log until they are copied into the file, each once: an import that
/// scatters over an index writes the same pages again in each transaction.
const PAGES_A_CHECKPOINT: u32 = 32_000;

/// Statements kept prepared a connection.
const PREPARED_STATEMENTS: usize = 128;

/// What one connection may keep of the file in memory. A negative `cache_size` counts in KiB.
const CACHE_KIB: i32 = 64 * 1024;

/// How long a lock that another process holds on the file is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn connect(path: &Path, read_only: bool) -> Result<Connection, DatabaseError> {
    let access = if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    };
    Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .and_then(|connection| set_up(connection, read_only))
        .map_err(|source| DatabaseError::Open { path: path.into(), source })
}

fn set_up(connection: Connection, read_only: bool) -> rusqlite::Result<Connection> {
    if !read_only {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", PAGES_A_CHECKPOINT)?;
    }
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    // Else SQLite plans by the values that are bound, and prepares a statement anew whenever those
    // of a cached one are cleared.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

pub(super) fn run_cached(connection: &Connection, statement: &str) -> Result<(), DatabaseError> {
    connection.prepare_cached(statement)?.execute([])?;
    Ok(())
}
