//! A Config Database that is open.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cohort_database::DatabaseError;
use cohort_preferences::Clock;
use tokio::sync::watch;
use tokio::time::Instant;

use super::admission::Admission;
use super::options::ConfigServiceOptions;
use super::rules::Registry;
use crate::address::DatabaseAddress;
use crate::error::{ConfigServiceError, Result};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;

/// How long a service of this process that was dropped may take to close its file.
const CLOSES_WITHIN: Duration = Duration::from_secs(2);

/// How long to wait between two tries to open such a file.
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// A Config Database that is open; cheap to clone.
#[derive(Clone)]
pub struct ConfigService(pub(super) Arc<Inner>);

/// When a database was tried, and why it could not be written then.
type LastTry = (Instant, Option<String>);

pub(super) struct Inner {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) read_only: Option<String>,
    pub(super) admission: Admission,
    /// Changes whenever keys and definitions must be read again.
    pub(super) admissions: watch::Receiver<u64>,
    /// The compiled registry, and at which change of `admissions` it was read.
    pub(super) registry: Mutex<Option<(u64, Arc<Registry>)>>,
    pub(super) closing: watch::Sender<bool>,
    pub(super) metrics: Metrics,
    /// When the database was last tried, and why it could not be written then; held by whoever
    /// tries.
    pub(super) last_try: tokio::sync::Mutex<Option<LastTry>>,
}

impl ConfigService {
    /// Opens the database, creating or migrating it unless it is read only.
    pub async fn open(options: ConfigServiceOptions) -> Result<Self, ConfigServiceError> {
        let ConfigServiceOptions { database, clock, read_only, keep_history, requests_per_second } =
            options;
        let store = open_store(database, &clock, read_only.is_some()).await?;
        let closing = watch::Sender::new(false);
        let closed = closing.subscribe();
        let is_read_only = read_only.is_some();
        let admission = Admission::new(store.admissions(), requests_per_second);
        let inner = Inner {
            admissions: store.admissions(),
            store,
            clock,
            read_only,
            admission,
            registry: Mutex::default(),
            closing,
            metrics: Metrics::new(),
            last_try: tokio::sync::Mutex::default(),
        };
        let service = Self(Arc::new(inner));
        service.keep_noting_uses();
        if !is_read_only {
            service.forget_in_background(keep_history, closed);
        }
        Ok(service)
    }

    /// Returns whether the service is being shut down.
    pub(crate) fn is_closing(&self) -> bool {
        *self.0.closing.borrow()
    }

    /// Ends the polls that wait, now and later; other requests are still answered.
    pub fn shutdown(&self) {
        self.0.closing.send_replace(true);
    }

    /// Fails if this database takes no writes.
    pub(crate) fn refuse_if_read_only(&self) -> Result<()> {
        let reason = self.0.read_only.clone();
        reason.map_or(Ok(()), |reason| Err(ConfigServiceError::ReadOnly(reason)))
    }
}

async fn open_store(
    database: DatabaseAddress,
    clock: &Arc<dyn Clock>,
    read_only: bool,
) -> Result<Arc<dyn Store>> {
    match database {
        DatabaseAddress::Sqlite(path) => Ok(Arc::new(open_sqlite(&path, clock, read_only).await?)),
        DatabaseAddress::Postgres { url, schema } => {
            let schema = schema.parse()?;
            Ok(Arc::new(PostgresStore::open(url, schema, Arc::clone(clock), read_only).await?))
        }
    }
}

/// Opens the file. A service of this process that was dropped may still be removing old history:
/// it is waited for.
async fn open_sqlite(path: &Path, clock: &Arc<dyn Clock>, read_only: bool) -> Result<SqliteStore> {
    let until = Instant::now() + CLOSES_WITHIN;
    loop {
        match SqliteStore::open(path, Arc::clone(clock), read_only).await {
            Err(error) if is_held_here(&error) && Instant::now() < until => {
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            opened => return opened,
        }
    }
}

fn is_held_here(error: &ConfigServiceError) -> bool {
    let here = Some(std::process::id());
    matches!(error, ConfigServiceError::Database(DatabaseError::InUse { holder, .. })
        if *holder == here)
}
