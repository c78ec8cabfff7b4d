//! Runs statements that the connection keeps prepared, in a transaction or without one.

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::DatabaseError;

/// What is bound in a statement.
pub type Bound<'a> = &'a [&'a (dyn ToSql + Sync)];

/// All rows of a statement.
pub async fn query(
    db: &impl GenericClient,
    sql: &str,
    bound: Bound<'_>,
) -> Result<Vec<Row>, DatabaseError> {
    let statement = db.prepare_cached(sql).await?;
    Ok(db.query(&statement, bound).await?)
}

/// The one row of a statement.
pub async fn query_one(
    db: &impl GenericClient,
    sql: &str,
    bound: Bound<'_>,
) -> Result<Row, DatabaseError> {
    let statement = db.prepare_cached(sql).await?;
    Ok(db.query_one(&statement, bound).await?)
}

/// The row of a statement, if it has one.
pub async fn query_opt(
    db: &impl GenericClient,
    sql: &str,
    bound: Bound<'_>,
) -> Result<Option<Row>, DatabaseError> {
    let statement = db.prepare_cached(sql).await?;
    Ok(db.query_opt(&statement, bound).await?)
}

/// How many rows a statement has changed.
pub async fn execute(
    db: &impl GenericClient,
    sql: &str,
    bound: Bound<'_>,
) -> Result<u64, DatabaseError> {
    let statement = db.prepare_cached(sql).await?;
    Ok(db.execute(&statement, bound).await?)
}
