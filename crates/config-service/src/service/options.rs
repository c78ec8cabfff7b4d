//! How to open a Config Database.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use cohort_preferences::Clock;
use jiff::SignedDuration;

use crate::address::DatabaseAddress;

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
    /// Why every write is refused; `None` if writes are taken. A database that takes none must
    /// exist already.
    pub read_only: Option<String>,
    /// How long history, and with it the feed and lists of the past, reaches back; longer than any
    /// catch-up window (M1).
    pub keep_history: SignedDuration,
    /// How many requests a key may make in a second, and at once; `None` for any number (W5).
    pub requests_per_second: Option<NonZeroU32>,
}

impl ConfigServiceOptions {
    /// Returns a database with the usual options.
    pub fn new(database: DatabaseAddress, clock: Arc<dyn Clock>) -> Self {
        Self {
            database,
            clock,
            read_only: None,
            keep_history: KEEP_HISTORY,
            requests_per_second: Some(REQUESTS_PER_SECOND),
        }
    }

    /// Returns an SQLite file with the usual options.
    pub fn sqlite(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self::new(DatabaseAddress::Sqlite(path.into()), clock)
    }

    /// Makes the service refuse every write, for this reason.
    #[must_use]
    pub fn read_only(self, reason: impl Into<String>) -> Self {
        Self { read_only: Some(reason.into()), ..self }
    }
}
