//! Runs statements that the connection keeps prepared, in a transaction or without one, within the
//! limit of either.

use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient as Driver, Row, Statement};

use super::connection::GenericClient;
use crate::error::DatabaseError;

/// What is bound in a statement.
pub type Bound<'a> = &'a [&'a (dyn ToSql + Sync)];

/// All rows of a statement.
pub async fn query(
    db: &impl GenericClient,
    sql: &str,
    bound: Bound<'_>,
) -> Result<Vec<Row>, DatabaseError> {
    let rows = async {
        let statement = prepared(db, sql).await?;
        Ok(db.driver().query(&statement, bound).await?)
    };
    limited(db, sql, rows).await
}

/// The one row of a statement.
pub async fn query_one(
    db: &impl GenericClient,
    sql: &str,
    bound: Bound<'_>,
) -> Result<Row, DatabaseError> {
    let row = async {
        let statement = prepared(db, sql).await?;
        Ok(db.driver().query_one(&statement, bound).await?)
    };
    limited(db, sql, row).await
}

/// The row of a statement, if it has one.
pub async fn query_opt(
    db: &impl GenericClient,
    sql: &str,
    bound: Bound<'_>,
) -> Result<Option<Row>, DatabaseError> {
    let row = async {
        let statement = prepared(db, sql).await?;
        Ok(db.driver().query_opt(&statement, bound).await?)
    };
    limited(db, sql, row).await
}

/// How many rows a statement has changed.
pub async fn execute(
    db: &impl GenericClient,
    sql: &str,
    bound: Bound<'_>,
) -> Result<u64, DatabaseError> {
    let changed = async {
        let statement = prepared(db, sql).await?;
        Ok(db.driver().execute(&statement, bound).await?)
    };
    limited(db, sql, changed).await
}

/// Runs several statements that bind nothing, and are not kept prepared.
pub async fn execute_all(db: &impl GenericClient, sql: &str) -> Result<(), DatabaseError> {
    limited(db, sql, async { Ok(db.driver().batch_execute(sql).await?) }).await
}

async fn prepared(db: &impl GenericClient, sql: &str) -> Result<Statement, DatabaseError> {
    Ok(db.prepared().prepare(db.driver().client(), sql).await?)
}

/// Waits for the work as long as the limit allows, and says what its failure means.
async fn limited<T>(
    db: &impl GenericClient,
    sql: &str,
    work: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, DatabaseError> {
    db.limit().keep(work).await.map_err(|error| db.meaning(sql, error))
}
