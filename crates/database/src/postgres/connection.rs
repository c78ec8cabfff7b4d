//! A connection that keeps its limits, and its transactions.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, StatementCache};
use tokio_postgres::{Client, IsolationLevel};

use super::limits::{Ending, INTERACTIVE, TimeLimit};
use crate::error::DatabaseError;

/// A connection. It ends when it is dropped, and its transaction with it.
///
/// Each statement on it, and each transaction as a whole, is bounded by the connection's limit,
/// which is that of a request unless [`Connection::set_limit`] says otherwise.
pub struct Connection {
    client: ClientWrapper,
    ending: Ending,
    limit: Duration,
}

/// A transaction, which is rolled back unless it is committed.
pub struct Transaction<'a> {
    pub(super) inner: deadpool_postgres::Transaction<'a>,
    limit: TimeLimit<'a>,
}

/// What statements can be run on: a connection, each for itself, or a transaction.
pub trait GenericClient: Sync {
    /// What the driver calls it.
    type Driver: tokio_postgres::GenericClient + Sync;

    /// Returns what runs statements without a limit.
    #[doc(hidden)]
    fn driver(&self) -> &Self::Driver;

    /// Returns the statements that the connection keeps prepared.
    #[doc(hidden)]
    fn prepared(&self) -> &StatementCache;

    /// Returns the limit of what is run now.
    #[doc(hidden)]
    fn limit(&self) -> TimeLimit<'_>;

    /// Returns what the failure of a statement means for what it was to write.
    #[doc(hidden)]
    fn meaning(&self, sql: &str, error: DatabaseError) -> DatabaseError;
}

impl Connection {
    pub(super) fn new(client: ClientWrapper, ending: Ending) -> Self {
        Self { client, ending, limit: INTERACTIVE }
    }

    /// Sets how long each statement, and each transaction, may take from now on.
    pub fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Returns whether it has broken, or was thrown away.
    pub fn is_closed(&self) -> bool {
        self.ending.is_thrown_away() || self.client.is_closed()
    }

    /// Begins a transaction, whose limit runs from now.
    pub async fn transaction(&mut self) -> Result<Transaction<'_>, DatabaseError> {
        let limit = self.ending.within(self.limit);
        let begun = async { Ok::<_, DatabaseError>(self.client.transaction().await?) };
        Ok(Transaction { inner: limit.keep(begun).await?, limit })
    }

    /// Begins a transaction that sees one state of the database throughout, and refuses writes.
    pub async fn snapshot(&mut self) -> Result<Transaction<'_>, DatabaseError> {
        let limit = self.ending.within(self.limit);
        let snapshot = self
            .client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true);
        let begun = async { Ok::<_, DatabaseError>(snapshot.start().await?) };
        Ok(Transaction { inner: limit.keep(begun).await?, limit })
    }

    /// The driver's connection, which has no limits.
    pub(super) fn unlimited(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl GenericClient for Connection {
    type Driver = Client;

    fn driver(&self) -> &Client {
        &self.client
    }

    fn prepared(&self) -> &StatementCache {
        &self.client.statement_cache
    }

    fn limit(&self) -> TimeLimit<'_> {
        self.ending.within(self.limit)
    }

    /// Each statement is a transaction, so its answer is that of the commit.
    fn meaning(&self, sql: &str, error: DatabaseError) -> DatabaseError {
        if may_write(sql) { error.of_commit() } else { error }
    }
}

impl<'a> GenericClient for Transaction<'a> {
    type Driver = tokio_postgres::Transaction<'a>;

    fn driver(&self) -> &tokio_postgres::Transaction<'a> {
        &self.inner
    }

    fn prepared(&self) -> &StatementCache {
        &self.inner.statement_cache
    }

    fn limit(&self) -> TimeLimit<'_> {
        self.limit
    }

    /// What is not committed is not stored.
    fn meaning(&self, _sql: &str, error: DatabaseError) -> DatabaseError {
        error
    }
}

impl Transaction<'_> {
    /// Commits.
    ///
    /// # Errors
    /// [`DatabaseError::Unknown`] if the answer was lost, so that it may be stored or not.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        let committed = async { Ok(self.inner.commit().await?) };
        self.limit.keep(committed).await.map_err(DatabaseError::of_commit)
    }

    /// Takes back what was written.
    pub async fn rollback(self) -> Result<(), DatabaseError> {
        self.limit.keep(async { Ok(self.inner.rollback().await?) }).await
    }
}

fn may_write(sql: &str) -> bool {
    let first = sql.split_whitespace().next().unwrap_or_default();
    !first.eq_ignore_ascii_case("SELECT")
}
