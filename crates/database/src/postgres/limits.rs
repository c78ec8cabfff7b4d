//! How long anything that concerns the server may take (F6).
//!
//! ```text
//! CONNECT_WITHIN     reach the server, or get a connection of the pool
//! INTERACTIVE        one statement outside a transaction, or one whole transaction
//! LIST, LONG         the same for long lists, and for upkeep and imports
//! on the server: IDLE < LOCK < INTERACTIVE < STATEMENT
//! ```
//!
//! The limits on our side hold also when the server is frozen and enforces none of its own. A
//! connection whose work ran into one is thrown away: nobody knows what the server still does on
//! it. The server's limits stand in `address`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::error::DatabaseError;

/// How long to wait for a connection, whether new or of the pool. Making one takes milliseconds.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long one statement, or a whole transaction, may take that a request or a run waits for. They
/// take milliseconds; a server that is busy with a checkpoint, or a peer that froze while it held a
/// lock, costs seconds.
pub const INTERACTIVE: Duration = Duration::from_secs(10);

/// The same for lists that may hold very many rows. It is no longer than clients wait for a
/// response.
pub const LIST: Duration = Duration::from_secs(30);

/// The same for upkeep and imports, which nobody waits for in front of a screen.
pub const LONG: Duration = Duration::from_mins(1);

/// What a connection is given to keep its limits by; cheap to clone.
#[derive(Clone)]
pub(super) struct Ending {
    working: AbortHandle,
    is_thrown_away: Arc<AtomicBool>,
    /// The schema and where it is, for messages.
    database: Arc<str>,
}

/// Until when work on a connection may last.
#[derive(Clone, Copy)]
pub struct TimeLimit<'a> {
    ending: &'a Ending,
    until: Instant,
    limit: Duration,
}

impl Ending {
    pub(super) fn of(working: AbortHandle, database: &str) -> Self {
        Self { working, is_thrown_away: Arc::default(), database: database.into() }
    }

    /// Returns a limit that begins now.
    pub(super) fn within(&self, limit: Duration) -> TimeLimit<'_> {
        TimeLimit { ending: self, until: Instant::now() + limit, limit }
    }

    pub(super) fn is_thrown_away(&self) -> bool {
        self.is_thrown_away.load(Ordering::SeqCst)
    }

    /// Ends the connection: the server's answer, if one still comes, reaches nobody.
    fn throw_away(&self) {
        self.is_thrown_away.store(true, Ordering::SeqCst);
        self.working.abort();
    }
}

impl TimeLimit<'_> {
    /// Waits for the work, and throws the connection away if it takes too long.
    pub(super) async fn keep<T, E: From<DatabaseError>>(
        self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if let Ok(done) = timeout_at(self.until, work).await {
            return done;
        }
        self.ending.throw_away();
        let database = self.ending.database.to_string();
        Err(DatabaseError::NoAnswer { database, waited: self.limit }.into())
    }
}
