//! The write-ahead log: kept short while there are writes, and emptied at the end (F13).
//!
//! SQLite copies the log into the file when it has grown by so many pages (`connection`), and
//! begins it anew once nobody reads the old part. Where one read always overlaps the next it never
//! gets there, so the writer then makes readers and writers wait for the copy: reads that begin
//! meanwhile find everything in the file, so it waits for those that are under way, and no longer.
//!
//! What may fail: a reader that does not end, of this process or another, keeps the log growing.
//! Writes are then held up for [`READERS_LIMIT`] from time to time, ever more rarely, and a line in
//! the program's log says so.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::connection::BUSY_TIMEOUT;

/// How long a log may be after a commit before readers are waited for, in bytes.
const LOG_LIMIT: u64 = 20 << 20;

/// By how much it grows until they are waited for again, in bytes; twice as much after each try in
/// vain.
const STEP: u64 = 4 << 20;

/// The longest step.
const LONGEST_STEP: u64 = 64 << 20;

/// How long writes wait for readers so that the log can be emptied.
const READERS_LIMIT: Duration = Duration::from_secs(2);

/// The log of one file.
pub(super) struct WriteAheadLog {
    path: PathBuf,
    /// The length at which the log is emptied next.
    limit: u64,
    /// By how much the limit grows if that is in vain.
    step: u64,
}

impl WriteAheadLog {
    /// Returns the log of this database.
    pub(super) fn of(database: &Path) -> io::Result<Self> {
        Ok(Self { path: log_path(database)?, limit: LOG_LIMIT, step: STEP })
    }

    /// Empties the log if it has become too long.
    pub(super) fn after_commit(&mut self, connection: &Connection) {
        let length = length_of(&self.path);
        if length < self.limit {
            return;
        }
        let emptied = connection
            .busy_timeout(READERS_LIMIT)
            .and_then(|()| empty(connection))
            .and_then(|emptied| connection.busy_timeout(BUSY_TIMEOUT).map(|()| emptied));
        if matches!(emptied, Ok(true)) {
            (self.limit, self.step) = (LOG_LIMIT, STEP);
        } else {
            self.limit = length + self.step;
            self.step = (2 * self.step).min(LONGEST_STEP);
            tracing::warn!(
                log = %self.path.display(),
                bytes = length,
                ?emptied,
                "the database's log grows: somebody has been reading it for long"
            );
        }
    }
}

/// Copies the log into the file and makes it empty; returns whether nobody was in the way.
pub(super) fn empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>("busy"))
        .map(|busy| busy == 0)
}

/// Returns where the log is: SQLite follows symbolic links to the file and puts it there.
pub(super) fn log_path(database: &Path) -> io::Result<PathBuf> {
    let mut name = fs::canonicalize(database)?.into_os_string();
    name.push("-wal");
    Ok(name.into())
}

/// Returns how many bytes the log has; none if it is not there.
pub(super) fn length_of(log: &Path) -> u64 {
    fs::metadata(log).map_or(0, |file| file.len())
}
