//! The server that holds the schema, and new connections to it.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, PoolError, TimeoutType};
use tokio_postgres::Config;

use super::schema_name::SchemaName;
use super::tls::Tls;
use crate::error::DatabaseError;

/// A connection of the caller's own. It ends when it is dropped, and its transaction with it.
pub type Connection = ClientWrapper;

/// How to reach the schema.
pub(super) struct Server {
    pub(super) config: Config,
    pub(super) tls: Tls,
    pub(super) schema: SchemaName,
    /// The schema and where it is, for messages; without user and password.
    pub(super) name: String,
}

/// How long to wait for a connection, whether new or of the pool.
pub(super) const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(30);

impl Server {
    pub(super) async fn connect(&self) -> Result<Connection, DatabaseError> {
        let (client, connection) = self.reached(self.config.connect(self.tls.clone())).await?;
        let working = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a connection to the database broke");
            }
        });
        Ok(Connection::new(client, working))
    }

    /// Waits for a connection to be made, and not for ever: a server may take a connection and then
    /// say nothing.
    pub(super) async fn reached<T>(
        &self,
        connecting: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        let database = self.name.clone();
        match tokio::time::timeout(WAIT_FOR_CONNECTION, connecting).await {
            Ok(reached) => reached.map_err(|source| DatabaseError::Connect { database, source }),
            Err(_elapsed) => Err(DatabaseError::NoConnection {
                database,
                source: PoolError::Timeout(TimeoutType::Create),
            }),
        }
    }
}
