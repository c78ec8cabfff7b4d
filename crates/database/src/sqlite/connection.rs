//! One connection to the file, and statements that need no result.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::DatabaseError;

/// Pages of 4 KiB in the log until they are copied into the file, each once: the more, the fewer
/// copies of a page that is written often, and the longer the log.
const PAGES_A_CHECKPOINT: u32 = 3_000;

/// What a log that is begun anew keeps of its length on the disk, in bytes.
const LOG_LENGTH_KEPT: u32 = 12 << 20;

/// Statements kept prepared a connection.
const PREPARED_STATEMENTS: usize = 128;

/// What the connection that writes may keep of the file in memory: an import that scatters over an
/// index finds most of it there. A negative `cache_size` counts in KiB.
const WRITER_CACHE_KIB: i32 = 16 * 1024;

/// What a connection that reads may keep of the file in memory. There are several of them, each
/// with a cache of its own, and the system has the file in memory too.
const READER_CACHE_KIB: i32 = 4 * 1024;

/// How long a lock that another process holds on the file is waited for.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

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
        connection.pragma_update(None, "journal_size_limit", LOG_LENGTH_KEPT)?;
    }
    let cache = if read_only { READER_CACHE_KIB } else { WRITER_CACHE_KIB };
    connection.pragma_update(None, "cache_size", -cache)?;
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
