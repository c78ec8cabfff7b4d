//! What the Config Database decides: who may do what, what an edit means, how long a reader waits.

mod changes;
mod edits;
pub(crate) mod keys;
pub(crate) mod limits;
mod links;
mod lists;
mod rules;
mod upkeep;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cohort_preferences::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

pub(crate) use self::changes::ChangesRequest;
pub(crate) use self::edits::Written;
use self::keys::Admission;
pub(crate) use self::links::PREFIX as LINK_PREFIX;
pub(crate) use self::lists::{
    ChosenAnswer, ListRequest, MembersAnswer, PreviewRequest, TenantsRequest,
};
use self::rules::Registry;
use crate::address::DatabaseAddress;
use crate::error::ConfigServiceError;
use crate::metrics::Metrics;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Result, Store};

/// How long history is kept if nothing else is said.
const KEEP_HISTORY: SignedDuration = SignedDuration::from_hours(24 * 400);

/// How many requests a key may make in a second if nothing else is said (W5).
const REQUESTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(10_000).expect("not zero");

/// How to open a Config Database.
pub struct ConfigServiceOptions {
    /// Where it is; made if it is not there.
    pub database: DatabaseAddress,
    /// What time it is. In simulated time all parts share one (M1).
    pub clock: Arc<dyn Clock>,
    /// Why every write is refused, if so. The database must then exist.
    pub read_only: Option<String>,
    /// How long history, and with it the feed and lists of the past, reaches back; longer than any
    /// catch-up window (M1).
    pub keep_history: SignedDuration,
    /// How many requests a key may make in a second, and at once; `None` for any (W5).
    pub requests_per_second: Option<NonZeroU32>,
}

/// A Config Database that is open; cheap to clone.
#[derive(Clone)]
pub struct ConfigService(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    read_only: Option<String>,
    admission: Admission,
    /// Changes whenever what was read of keys and definitions must be read anew.
    admissions: watch::Receiver<u64>,
    /// The compiled registry, and at which change of `admissions` it was read.
    registry: Mutex<Option<(u64, Arc<Registry>)>>,
    closing: watch::Sender<bool>,
    metrics: Metrics,
}

impl ConfigServiceOptions {
    /// A database with the usual options.
    pub fn new(database: DatabaseAddress, clock: Arc<dyn Clock>) -> Self {
        Self {
            database,
            clock,
            read_only: None,
            keep_history: KEEP_HISTORY,
            requests_per_second: Some(REQUESTS_PER_SECOND),
        }
    }

    /// An SQLite file with the usual options.
    pub fn sqlite(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self::new(DatabaseAddress::Sqlite(path.into()), clock)
    }

    /// Refuses every write, for this reason.
    #[must_use]
    pub fn read_only(self, reason: impl Into<String>) -> Self {
        Self { read_only: Some(reason.into()), ..self }
    }
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
        };
        let service = Self(Arc::new(inner));
        service.keep_noting_uses();
        if !is_read_only {
            service.forget_in_background(keep_history, closed);
        }
        Ok(service)
    }

    /// Whether the service is being shut down.
    pub(crate) fn is_closing(&self) -> bool {
        *self.0.closing.borrow()
    }

    /// Ends waiting polls, now and from now on; other requests are answered as ever.
    pub fn shutdown(&self) {
        self.0.closing.send_replace(true);
    }

    /// Whether the database answers.
    pub(crate) async fn ready(&self) -> Result<()> {
        if *self.0.closing.borrow() {
            return Err(ConfigServiceError::ShuttingDown);
        }
        self.0.store.newest_change().await.map(|_newest| ())
    }

    /// Refuses a write if this database takes none.
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
        DatabaseAddress::Sqlite(path) => {
            Ok(Arc::new(SqliteStore::open(&path, Arc::clone(clock), read_only).await?))
        }
        DatabaseAddress::Postgres { url, schema } => {
            let schema = schema.parse()?;
            Ok(Arc::new(PostgresStore::open(url, schema, Arc::clone(clock), read_only).await?))
        }
    }
}

/// Membership knows whole microseconds (M1).
fn whole_micros(instant: Timestamp) -> Timestamp {
    crate::store::settle::whole_micros(instant)
}
