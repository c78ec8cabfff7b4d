//! The handle that callers hold: opens the schema, and gives out connections.

use std::sync::Arc;

use tokio::sync::watch;

use super::connection::Connection;
use super::listener;
use super::planning::Planning;
use super::pool::Pool;
use super::reader::Reader;
use super::schema_name::SchemaName;
use super::server::Server;
use super::{address, migrate, tls};
use crate::error::DatabaseError;
use crate::heard::Heard;
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

/// A handle to an open database; cheap to clone.
#[derive(Clone)]
pub struct Postgres {
    server: Arc<Server>,
    pool: Pool,
}

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
        let server = Arc::new(server);
        let pool = Pool::new(Arc::clone(&server), readers, planning);
        Ok(Self { server, pool })
    }

    /// Returns a connection for reads. Waits for one to be given back when all are in use.
    pub async fn read(&self) -> Result<Reader, DatabaseError> {
        Ok(Reader(self.pool.take().await?))
    }

    /// Makes a new connection outside the pool.
    pub async fn connect(&self, planning: Planning) -> Result<Connection, DatabaseError> {
        self.server.connect_as(planning).await
    }

    /// Listens to what is sent by `NOTIFY` to this channel from now on, until the receiver is
    /// dropped. Channels are the whole database's: a name that holds the schema's keeps two schemas
    /// apart.
    pub async fn listen(&self, channel: &str) -> Result<watch::Receiver<Heard>, DatabaseError> {
        listener::listen(Arc::clone(&self.server), channel).await
    }

    /// The schema that holds everything of this database.
    pub fn schema(&self) -> &SchemaName {
        &self.server.schema
    }
}
