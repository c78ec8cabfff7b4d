//! Rows, read by the names of their columns. To find a column by its name is a few comparisons,
//! little beside reading it from the wire.

use cohort_database::Transaction;
use cohort_database::statement::{self, Bound};
use tokio_postgres::Row;

use crate::error::Result;

/// What stands in a row of a statement.
pub(super) trait FromRow: Sized {
    /// Reads the columns by their names.
    fn from_row(row: &Row) -> Result<Self>;
}

/// Returns what stands in each row of a statement.
pub(super) async fn query<T: FromRow>(
    db: &Transaction<'_>,
    sql: &str,
    bound: Bound<'_>,
) -> Result<Vec<T>> {
    statement::query(db, sql, bound).await?.iter().map(T::from_row).collect()
}

/// Returns what stands in the row of a statement; `None` if it has no row.
pub(super) async fn query_opt<T: FromRow>(
    db: &Transaction<'_>,
    sql: &str,
    bound: Bound<'_>,
) -> Result<Option<T>> {
    statement::query_opt(db, sql, bound).await?.as_ref().map(T::from_row).transpose()
}
