//! Brings the schema up to date, one process at a time.
//!
//! The lock is the session's: it is free again when the connection ends, however the process ended.
//!
//! A migration has no limit: how long it takes is for the size of the tables to say. Whoever starts
//! the process can end it meanwhile.

use super::connection::Connection;
use super::server::Server;
use super::statement::{execute, execute_all, query_one, query_opt};
use crate::error::DatabaseError;
use crate::migrations::{CREATE_RECORD, Migrations, READ_RECORD};

/// The oldest server whose SQL is all that is used, as `server_version_num` says it.
const OLDEST_SERVER: i32 = 150_000;

pub(super) async fn run(server: &Server, migrations: &Migrations) -> Result<(), DatabaseError> {
    let mut client = connect(server).await?;
    // A migration, and the wait for another process's, may take longer than any statement at work.
    execute_all(&client, "SET statement_timeout = 0; SET lock_timeout = 0").await?;
    lock(&mut client, server).await?;
    create_schema(&client, server).await?;
    execute_all(&client, CREATE_RECORD).await?;

    let recorded = record(&client).await?;
    migrations.check(recorded.as_deref(), &server.name)?;
    if let Some(oldest) = migrations.raised(recorded.as_deref(), &server.name)? {
        raise_record(&client, &oldest).await?;
    }
    let runner = migrations.runner(newest_applied(&client).await?);
    runner.run_async(client.unlimited()).await.map_err(|source| DatabaseError::Migrate {
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
    let version = "SELECT current_setting('server_version_num')::int AS number, \
        current_setting('server_version') AS name";
    let version = query_one(&client, version, &[]).await?;
    if version.get::<_, i32>("number") < OLDEST_SERVER {
        return Err(DatabaseError::ServerTooOld {
            database: server.name.clone(),
            version: version.get("name"),
        });
    }
    Ok(client)
}

/// Waits without a limit for another process, whose migration may take long.
async fn lock(client: &mut Connection, server: &Server) -> Result<(), DatabaseError> {
    let key = format!("cohort migrations {}", server.schema);
    let take = "SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS is_free";
    if !query_one(client, take, &[&key]).await?.get::<_, bool>("is_free") {
        tracing::info!(database = %server.name,
            "waiting for another process that migrates the database");
        let wait = "SELECT pg_advisory_lock(hashtextextended($1, 0))";
        client.unlimited().execute(wait, &[&key]).await?;
    }
    Ok(())
}

/// Asks first: creating takes a right that is not needed where somebody else has prepared the
/// schema.
async fn create_schema(client: &Connection, server: &Server) -> Result<(), DatabaseError> {
    let schema = server.schema.as_str();
    let look = "SELECT FROM pg_namespace WHERE nspname = $1";
    if query_opt(client, look, &[&schema]).await?.is_some() {
        return Ok(());
    }
    let created = execute_all(client, &format!("CREATE SCHEMA {schema}")).await;
    created.map_err(|error| match error {
        DatabaseError::Query(source) => {
            DatabaseError::CreateSchema { database: server.name.clone(), source }
        }
        other => other,
    })
}

async fn record(client: &Connection) -> Result<Option<String>, DatabaseError> {
    Ok(query_opt(client, READ_RECORD, &[]).await?.map(|row| row.get("oldest_program")))
}

async fn raise_record(client: &Connection, oldest: &str) -> Result<(), DatabaseError> {
    let raise = "INSERT INTO compatibility VALUES (1, $1) ON CONFLICT (only_row) DO UPDATE SET \
        oldest_program = excluded.oldest_program";
    execute(client, raise, &[&oldest]).await?;
    Ok(())
}

async fn newest_applied(client: &Connection) -> Result<Option<i32>, DatabaseError> {
    if !has_table(client, "refinery_schema_history").await? {
        return Ok(None);
    }
    let newest = "SELECT max(version) AS newest FROM refinery_schema_history";
    Ok(query_one(client, newest, &[]).await?.get("newest"))
}

async fn has_table(client: &Connection, table: &str) -> Result<bool, DatabaseError> {
    let look = "SELECT to_regclass($1) IS NOT NULL AS is_there";
    Ok(query_one(client, look, &[&table]).await?.get("is_there"))
}
