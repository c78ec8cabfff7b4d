//! A PostgreSQL database: a schema of ours on a server that others may use too.
//!
//! ```text
//! open     ─► lock ─► schema, record, migrations ─► unlock      processes that start together wait for each other
//! read()   ─► a connection of the pool, given back when dropped
//! connect()─► a connection of the caller's own, for its one writer
//! listen() ─► a connection that is made anew whenever it breaks
//! ```
//!
//! What may fail: the server restarts or fails over, the network parts, a peer hangs while it holds
//! a lock. Every session therefore has limits that the server enforces (see `address`), so that a
//! peer that hangs loses its transaction and those who wait for its lock go on. A connection that
//! broke is replaced by the next call.
//!
//! Not done here: retrying a transaction. Only the caller knows whether a commit without an answer
//! may be repeated; [`DatabaseError::is_transient`] says whether it is worth a try. Sessions are
//! ours (advisory locks, `LISTEN`, prepared statements), so a pooler between us and the server has
//! to pool sessions, not transactions.

mod address;
mod listener;
mod migrate;
pub mod statement;
pub mod table;
mod tls;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError,
    RecyclingMethod, Runtime, TimeoutType, Transaction,
};
use tokio_postgres::{Config, IsolationLevel};

pub use self::address::SchemaName;
pub use self::listener::Heard;
use self::tls::Tls;
use crate::error::DatabaseError;
use crate::migrations::Migrations;

/// How to open a PostgreSQL database.
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`, with the parameters of libpq that
    /// tokio-postgres knows.
    pub url: String,
    /// The schema; created if it is not there.
    pub schema: SchemaName,
    /// The most connections that read at once, at least 1.
    pub readers: usize,
    /// Whether every write is refused and the schema must exist.
    pub read_only: bool,
    /// How the server plans what the connections of the pool ask for.
    pub planning: Planning,
}

/// How the server plans statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planning {
    /// As it sees fit.
    ByCost,
    /// What is read or written is found by its keys. A server that plans when tables are small, or
    /// does not know how large they have become, would read them through.
    ByKeys,
}

/// A handle to an open database; cheap to clone.
#[derive(Clone)]
pub struct Postgres {
    server: Arc<Server>,
    pool: Pool,
}

/// A connection of the caller's own. It ends when it is dropped, and its transaction with it.
pub type Connection = ClientWrapper;

/// A connection of the pool, to be given back soon. It derefs to the client, for single statements
/// and short transactions.
pub struct Reader(Object);

/// How to reach the schema.
struct Server {
    config: Config,
    tls: Tls,
    schema: SchemaName,
    /// The schema and where it is, for messages; without user and password.
    name: String,
}

/// How long to wait for a connection, whether new or of the pool.
const WAIT_FOR_CONNECTION: Duration = Duration::from_secs(30);

impl Postgres {
    /// Connects and, unless it is read-only, brings the schema up to date.
    ///
    /// # Errors
    /// Among others [`DatabaseError::ProgramTooOld`], when a newer program has left the schema
    /// unfit for this one.
    pub async fn open(
        options: PostgresOptions,
        migrations: &Migrations,
    ) -> Result<Self, DatabaseError> {
        let PostgresOptions { url, schema, readers, read_only, planning } = options;
        let config = address::parse(&url, &schema, read_only)?;
        let tls = tls::connector(config.get_ssl_mode())?;
        let name = address::describe(&config, &schema);
        let server = Server { config, tls, schema, name };
        if read_only {
            migrate::check(&server, migrations).await?;
        } else {
            migrate::run(&server, migrations).await?;
        }
        let pool = pool(&server, readers, planning);
        Ok(Self { server: Arc::new(server), pool })
    }

    /// A connection for reads; waits for one to be given back when all are in use.
    pub async fn read(&self) -> Result<Reader, DatabaseError> {
        let object = self.pool.get().await.map_err(|source| DatabaseError::NoConnection {
            database: self.server.name.clone(),
            source,
        })?;
        Ok(Reader(object))
    }

    /// A new connection that is no part of the pool.
    pub async fn connect(&self, planning: Planning) -> Result<Connection, DatabaseError> {
        let connection = self.server.connect().await?;
        planning.tell(&connection).await?;
        Ok(connection)
    }

    /// Hears what is sent by `NOTIFY` to this channel from now on, until the answer is dropped.
    /// Channels are the whole database's: a name that holds the schema's keeps two schemas apart.
    pub async fn listen(
        &self,
        channel: &str,
    ) -> Result<tokio::sync::watch::Receiver<Heard>, DatabaseError> {
        listener::listen(Arc::clone(&self.server), channel).await
    }

    /// The schema that holds everything of this database.
    pub fn schema(&self) -> &SchemaName {
        &self.server.schema
    }
}

impl Planning {
    async fn tell(self, session: &ClientWrapper) -> Result<(), tokio_postgres::Error> {
        match self {
            Self::ByCost => Ok(()),
            Self::ByKeys => {
                session
                    .batch_execute(
                        "SET enable_seqscan = off; SET enable_hashjoin = \
                off; SET enable_mergejoin = off",
                    )
                    .await
            }
        }
    }
}

impl Reader {
    /// A transaction that sees one state of the database throughout, and refuses writes.
    pub async fn snapshot(&mut self) -> Result<Transaction<'_>, DatabaseError> {
        Ok(self
            .0
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?)
    }
}

impl Deref for Reader {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Object {
        &mut self.0
    }
}

impl Server {
    async fn connect(&self) -> Result<Connection, DatabaseError> {
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
    async fn reached<T>(
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

fn pool(server: &Server, readers: usize, planning: Planning) -> Pool {
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(server.config.clone(), server.tls.clone(), manager_config);
    Pool::builder(manager)
        .max_size(readers.max(1))
        .wait_timeout(Some(WAIT_FOR_CONNECTION))
        .create_timeout(Some(WAIT_FOR_CONNECTION))
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(move |client, _| {
            Box::pin(async move { planning.tell(client).await.map_err(HookError::Backend) })
        }))
        .build()
        .expect("a pool with a runtime can be built")
}
