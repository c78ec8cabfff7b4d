//! Runs statements that the connection keeps prepared.

use cohort_database::Transaction;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::store::Result;

/// What is bound in a statement.
pub(super) type Bound<'a> = &'a [&'a (dyn ToSql + Sync)];

/// All rows of a statement.
pub(super) async fn query(db: &Transaction<'_>, sql: &str, bound: Bound<'_>) -> Result<Vec<Row>> {
    let statement = db.prepare_cached(sql).await?;
    Ok(db.query(&statement, bound).await?)
}

/// The one row of a statement.
pub(super) async fn query_one(db: &Transaction<'_>, sql: &str, bound: Bound<'_>) -> Result<Row> {
    let statement = db.prepare_cached(sql).await?;
    Ok(db.query_one(&statement, bound).await?)
}

/// The row of a statement, if it has one.
pub(super) async fn query_opt(db: &Transaction<'_>, sql: &str, bound: Bound<'_>) -> Result<Option<Row>> {
    let statement = db.prepare_cached(sql).await?;
    Ok(db.query_opt(&statement, bound).await?)
}

/// How many rows a statement has changed.
pub(super) async fn execute(db: &Transaction<'_>, sql: &str, bound: Bound<'_>) -> Result<u64> {
    let statement = db.prepare_cached(sql).await?;
    Ok(db.execute(&statement, bound).await?)
}
