//! Opens the ledger's file and brings its schema up to date.

use std::path::Path;
use std::sync::Arc;

use cohort_database::{Heard, Migrations, Sqlite, SqliteOptions, Version};
use tokio::sync::watch;

use crate::sealed::Sealed;
use crate::{Ledger, LedgerError};

mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Every program so far may use the schema.
fn migrations() -> Migrations {
    Migrations::new(embedded::migrations::runner(), Version::new(0, 1, 0))
}

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
        Ok(Self { db: Sqlite::open(options, &migrations())?, commits, silence })
    }
}

impl Sealed for SqliteLedger {}

impl From<SqliteLedger> for Arc<dyn Ledger> {
    fn from(ledger: SqliteLedger) -> Self {
        Arc::new(ledger)
    }
}
