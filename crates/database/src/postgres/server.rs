//! The server that holds the schema, and new connections to it.

use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Config;

use super::connection::Connection;
use super::limits::{CONNECT_WITHIN, Ending, INTERACTIVE};
use super::planning::Planning;
use super::schema_name::SchemaName;
use super::tls::Tls;
use crate::error::DatabaseError;

/// How to reach the schema.
pub(super) struct Server {
    pub(super) config: Config,
    pub(super) tls: Tls,
    pub(super) schema: SchemaName,
    /// The schema and where it is, for messages; without user and password.
    pub(super) name: String,
}

impl Server {
    pub(super) async fn connect(&self) -> Result<Connection, DatabaseError> {
        let (client, connection) = self.reached(self.config.connect(self.tls.clone())).await?;
        let working = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "a connection to the database broke");
            }
        });
        // Aborted by whoever throws the connection away (`limits`), or with its client.
        let ending = Ending::of(working.abort_handle(), &self.name);
        Ok(Connection::new(ClientWrapper::new(client, working), ending))
    }

    /// Makes a connection whose statements are planned so.
    pub(super) async fn connect_as(&self, planning: Planning) -> Result<Connection, DatabaseError> {
        let mut connection = self.connect().await?;
        connection.set_limit(CONNECT_WITHIN);
        planning.tell(&connection).await?;
        connection.set_limit(INTERACTIVE);
        Ok(connection)
    }

    /// Waits for a connection to be made, and not for ever: a server may take a connection and then
    /// say nothing.
    pub(super) async fn reached<T>(
        &self,
        connecting: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DatabaseError> {
        match tokio::time::timeout(CONNECT_WITHIN, connecting).await {
            Ok(reached) => reached
                .map_err(|source| DatabaseError::Connect { database: self.name.clone(), source }),
            Err(_elapsed) => Err(self.no_answer(CONNECT_WITHIN)),
        }
    }

    /// The error of a server that says nothing.
    pub(super) fn no_answer(&self, waited: Duration) -> DatabaseError {
        DatabaseError::NoAnswer { database: self.name.clone(), waited }
    }
}
