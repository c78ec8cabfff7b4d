//! Opens the ledger's file and brings its schema up to date.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cohort_database::{Heard, Migrations, Sqlite, SqliteOptions, Version};
use rusqlite::Connection;
use tokio::sync::watch;

use crate::sealed::Sealed;
use crate::{Ledger, LedgerError};

mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Every program so far may use the schema.
pub(crate) fn migrations() -> Migrations {
    Migrations::new(embedded::migrations::runner(), Version::new(0, 1, 0))
}

/// How long to wait for another writer at the opening.
const WAIT_FOR_WRITER: Duration = Duration::from_secs(5);

/// The ledger in one SQLite file.
#[derive(Clone)]
pub struct SqliteLedger {
    pub(super) db: Sqlite,
    /// Told of each commit of this process.
    pub(super) commits: watch::Sender<()>,
    /// Never told anything: one process has the file, and knows what it has done itself.
    pub(super) silence: watch::Sender<Heard>,
}

impl SqliteLedger {
    /// Opens the file. Unless `read_only`, creates it and brings its schema up to date.
    pub fn open(path: &Path, read_only: bool) -> Result<Self, LedgerError> {
        let commits = watch::Sender::new(());
        let told = commits.clone();
        let on_commit: Box<dyn Fn() + Send> = Box::new(move || told.send_replace(()));
        let options =
            SqliteOptions { path: path.into(), readers: 2, read_only, on_commit: Some(on_commit) };
        let silence = watch::Sender::new(Heard { payload: None, connections: 1 });
        let db = Sqlite::open(options, &migrations())?;
        if !read_only {
            draw_incarnation(path)?;
        }
        Ok(Self { db, commits, silence })
    }
}

/// Gives a copy that nobody has opened before an incarnation of its own (F11).
fn draw_incarnation(path: &Path) -> Result<(), LedgerError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(WAIT_FOR_WRITER)?;
    connection.execute(
        "INSERT INTO incarnation (id)
         SELECT lower(hex(randomblob(16))) WHERE NOT EXISTS (SELECT 1 FROM incarnation)",
        [],
    )?;
    Ok(())
}

impl Sealed for SqliteLedger {}

impl From<SqliteLedger> for Arc<dyn Ledger> {
    fn from(ledger: SqliteLedger) -> Self {
        Arc::new(ledger)
    }
}
