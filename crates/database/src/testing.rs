//! For tests: a schema of the test's own on the server that `scripts/with-postgres` has started.

use std::thread;

use tokio_postgres::NoTls;

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
