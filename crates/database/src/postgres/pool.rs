//! The pool of connections that read, each given back when it is dropped.

use std::sync::Arc;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult};

use super::connection::Connection;
use super::limits::{CONNECT_WITHIN, INTERACTIVE};
use super::planning::Planning;
use super::server::Server;
use crate::error::DatabaseError;

/// Lends connections.
#[derive(Clone)]
pub(super) struct Pool {
    connections: managed::Pool<Manager>,
    server: Arc<Server>,
}

/// Makes connections for the pool.
pub(super) struct Manager {
    server: Arc<Server>,
    planning: Planning,
}

impl Pool {
    pub(super) fn new(server: Arc<Server>, size: usize, planning: Planning) -> Self {
        let manager = Manager { server: Arc::clone(&server), planning };
        let connections = managed::Pool::builder(manager)
            .max_size(size.max(1))
            .wait_timeout(Some(CONNECT_WITHIN))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a pool with a runtime can be built");
        Self { connections, server }
    }

    /// Takes a connection, and waits for one to be given back when all are in use.
    pub(super) async fn take(&self) -> Result<Pooled, DatabaseError> {
        // On the heap: making a connection is a large future, and callers carry it in theirs.
        match Box::pin(self.connections.get()).await {
            Ok(connection) => Ok(connection),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Timeout(_waiting)) => {
                let database = self.server.name.clone();
                Err(DatabaseError::AllConnectionsInUse { database, waited: CONNECT_WITHIN })
            }
            Err(_closed) => Err(DatabaseError::Closed),
        }
    }
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = DatabaseError;

    async fn create(&self) -> Result<Connection, DatabaseError> {
        self.server.connect_as(self.planning).await
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        _metrics: &Metrics,
    ) -> RecycleResult<DatabaseError> {
        if connection.is_closed() {
            return Err(RecycleError::message("it has broken, or was thrown away"));
        }
        connection.set_limit(INTERACTIVE);
        Ok(())
    }
}

/// A connection that goes back to the pool.
pub(super) type Pooled = Object<Manager>;
