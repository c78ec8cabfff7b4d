//! For tests: a schema of the test's own on the server that `scripts/with-postgres` has started.

mod private_server;

use std::path::Path;
use std::thread;

use tokio_postgres::NoTls;

pub use self::private_server::PrivateServer;
use crate::error::DatabaseError;
use crate::postgres::{Planning, PostgresOptions, SchemaName};

/// A schema that nobody else uses. It is dropped with this value; the whole server is a moment
/// later.
pub struct TestDatabase {
    /// The server's address.
    pub url: String,
    /// The schema; not yet created.
    pub schema: SchemaName,
}

impl TestDatabase {
    /// Options that open the schema with a few readers.
    pub fn options(&self) -> PostgresOptions {
        PostgresOptions {
            url: self.url.clone(),
            schema: self.schema.clone(),
            readers: 4,
            read_only: false,
            planning: Planning::ByCost,
        }
    }
}

/// Every row of an SQLite file but those of these tables, as text, in order.
pub fn dump(path: &Path, but: &[&str]) -> Vec<String> {
    crate::sqlite::dump(path, but).expect("the file is read")
}

/// A schema for one test.
///
/// # Panics
/// When there is no server: a test that was not run must not look like one that passed.
pub fn fresh_postgres() -> TestDatabase {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no configuration but what its runner hands down"
    )]
    let url = std::env::var("COHORT_TEST_POSTGRES")
        .expect("no PostgreSQL for this test: run scripts/with-postgres cargo test …");
    let schema = format!("test_{}", uuid::Uuid::new_v4().simple());
    TestDatabase { url, schema: schema.parse().expect("fits the rules for names") }
}

/// The error that a server sends with this state (`"53300"`), as a statement meets it.
///
/// # Panics
/// If the driver does not read the server's message.
pub fn refused_with(state: &str) -> DatabaseError {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let state = state.to_owned();
    let refused = thread::spawn(move || runtime.expect("a runtime").block_on(refuse(&state)));
    DatabaseError::Query(refused.join().expect("the server refuses"))
}

/// Refuses a connection, as a server does: with an error of this state instead of a greeting.
async fn refuse(state: &str) -> tokio_postgres::Error {
    let (client, server) = tokio::io::duplex(1024);
    let fields = format!("SERROR\0VERROR\0C{state}\0Mas the test wants it\0\0");
    let answering = async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut read, mut write) = tokio::io::split(server);
        let mut startup = [0_u8; 512];
        let _asked = read.read(&mut startup).await;
        let length = (4 + fields.len() as u32).to_be_bytes();
        let message = [b"E".as_slice(), &length, fields.as_bytes()].concat();
        write.write_all(&message).await.expect("the client reads");
        write.shutdown().await.expect("the client reads");
    };
    let config = {
        let mut config = tokio_postgres::Config::new();
        config.user("nobody").ssl_mode(tokio_postgres::config::SslMode::Disable);
        config
    };
    let (refused, ()) = tokio::join!(config.connect_raw(client, NoTls), answering);
    refused.err().expect("refused")
}

impl Drop for TestDatabase {
    /// On a thread of its own, as a value may be dropped inside a runtime.
    fn drop(&mut self) {
        let (url, schema) = (self.url.clone(), self.schema.clone());
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(drop_schema(&url, &schema))
        });
        // What could not be dropped goes with the server.
        let _left_behind = dropping.join();
    }
}

async fn drop_schema(
    url: &str,
    schema: &SchemaName,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    client
        .batch_execute(&format!("SET lock_timeout = '2s'; DROP SCHEMA IF EXISTS {schema} CASCADE"))
        .await?;
    Ok(())
}
