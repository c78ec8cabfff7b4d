//! An embedded SQLite database: one writer thread, a few reader threads.
//!
//! ```text
//! write(job) ─┐                 ┌ BEGIN
//! write(job) ─┼─► writer thread ┤ job, job, job …   each in a savepoint of its own
//! write(job) ─┘                 └ COMMIT, one fsync ─► on_commit ─► all answers
//! read(job)  ───► reader threads, each job on one snapshot (WAL)
//! ```
//!
//! A job that fails undoes itself only. A commit that fails undoes all jobs of its transaction, and
//! each of them is told. A process that is killed loses only jobs whose callers were not answered:
//! the file is in WAL mode with `synchronous = FULL`, so an answer means that the disk has said so.
//!
//! The file has one handle that writes, in one process (`owner`); readers may come and go. The log
//! is kept short, and emptied when the handle closes (`log`, F13).
//! A caller waits for so long and no longer, also where the disk, and with it the thread, is stuck.
//! A job whose turn had not come by then is not done any more.
//!
//! Not done here: retrying. Nobody else writes to the file, so a busy database is a fault to
//! report.

mod connection;
mod file_lock;
mod handle;
mod log;
mod migrate;
mod owner;
mod reader;
mod room;
#[cfg(test)]
mod tests;
mod transfer;
mod writer;

pub use self::handle::{Sqlite, SqliteOptions};
pub use self::owner::wait_for_closing_files;
#[cfg(feature = "testing")]
pub(crate) use self::transfer::dump;
pub(crate) use self::transfer::{SqliteSource, SqliteTarget};
