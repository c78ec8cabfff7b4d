//! Brings the schema up to date, one process at a time.
//!
//! The lock is the session's: it is free again when the connection ends, however the process ended.

use tokio_postgres::Client;

use super::server::{Connection, Server};
use crate::error::DatabaseError;
use crate::migrations::{CREATE_RECORD, Migrations, READ_RECORD};

/// The oldest server whose SQL is all that is used, as `server_version_num` says it.
const OLDEST_SERVER: i32 = 150_000;

pub(super) async fn run(server: &Server, migrations: &Migrations) -> Result<(), DatabaseError> {
    let mut client = connect(server).await?;
    // A migration, and the wait for another process's, may take longer than any statement at work.
    client.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0").await?;
    lock(&client, server).await?;
    create_schema(&client, server).await?;
    client.batch_execute(CREATE_RECORD).await?;

    let recorded = record(&client).await?;
    migrations.check(recorded.as_deref(), &server.name)?;
    if let Some(oldest) = migrations.raised(recorded.as_deref(), &server.name)? {
        raise_record(&client, &oldest).await?;
    }
    let runner = migrations.runner(newest_applied(&client).await?);
    runner.run_async(&mut *client).await.map_err(|source| DatabaseError::Migrate {
        database: server.name.clone(),
        source: Box::new(source),
    })?;
    Ok(())
}

/// Fails unless the program may use the schema as it is.
pub(super) async fn check(server: &Server, migrations: &Migrations) -> Result<(), DatabaseError> {
    let client = connect(server).await?;
    let recorded =
        if has_table(&client, "compatibility").await? { record(&client).await? } else { None };
    migrations.check(recorded.as_deref(), &server.name)
}

async fn connect(server: &Server) -> Result<Connection, DatabaseError> {
    let client = server.connect().await?;
    let version = client
        .query_one(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version')",
            &[],
        )
        .await?;
    if version.get::<_, i32>(0) < OLDEST_SERVER {
        return Err(DatabaseError::ServerTooOld {
            database: server.name.clone(),
            version: version.get(1),
        });
    }
    Ok(client)
}

async fn lock(client: &Client, server: &Server) -> Result<(), DatabaseError> {
    let key = format!("cohort migrations {}", server.schema);
    let free =
        client.query_one("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", &[&key]).await?;
    if !free.get::<_, bool>(0) {
        tracing::info!(database = %server.name,
            "waiting for another process that migrates the database");
        client.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", &[&key]).await?;
    }
    Ok(())
}

/// Asks first: creating takes a right that is not needed where somebody else has prepared the
/// schema.
async fn create_schema(client: &Client, server: &Server) -> Result<(), DatabaseError> {
    let schema = server.schema.as_str();
    if client.query_opt("SELECT FROM pg_namespace WHERE nspname = $1", &[&schema]).await?.is_none()
    {
        let created = client.batch_execute(&format!("CREATE SCHEMA {schema}")).await;
        created.map_err(|source| DatabaseError::CreateSchema {
            database: server.name.clone(),
            source,
        })?;
    }
    Ok(())
}

async fn record(client: &Client) -> Result<Option<String>, DatabaseError> {
    Ok(client.query_opt(READ_RECORD, &[]).await?.map(|row| row.get(0)))
}

async fn raise_record(client: &Client, oldest: &str) -> Result<(), DatabaseError> {
    let raise = "INSERT INTO compatibility VALUES (1, $1) ON CONFLICT (only_row) DO UPDATE SET \
        oldest_program = excluded.oldest_program";
    client.execute(raise, &[&oldest]).await?;
    Ok(())
}

async fn newest_applied(client: &Client) -> Result<Option<i32>, DatabaseError> {
    if !has_table(client, "refinery_schema_history").await? {
        return Ok(None);
    }
    Ok(client.query_one("SELECT max(version) FROM refinery_schema_history", &[]).await?.get(0))
}

async fn has_table(client: &Client, table: &str) -> Result<bool, DatabaseError> {
    Ok(client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await?.get(0))
}
