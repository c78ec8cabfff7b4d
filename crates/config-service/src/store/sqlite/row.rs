//! Rows, read by the names of their columns.

use rusqlite::{Connection, Params, Row};

use crate::error::Result;

/// What stands in a row of a statement.
pub(super) trait FromRow: Sized {
    /// Reads the columns by their names.
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

/// Returns what stands in each row of a statement.
pub(super) fn query<T: FromRow>(db: &Connection, sql: &str, bound: impl Params) -> Result<Vec<T>> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(bound)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push(T::from_row(row)?);
    }
    Ok(values)
}

/// Returns what stands in the first row of a statement; `None` if it has no row.
pub(super) fn query_opt<T: FromRow>(
    db: &Connection,
    sql: &str,
    bound: impl Params,
) -> Result<Option<T>> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(bound)?;
    rows.next()?.map(T::from_row).transpose()
}

/// Declares where the columns of a statement stand. They are looked up by name once, when the
/// statement is prepared. Where rows come by the thousand this pays: SQLite compares the names
/// again in each row, and ten columns then take three times as long to read.
macro_rules! columns {
    ($(#[$doc:meta])* $visibility:vis $name:ident { $($column:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        $visibility struct $name {
            $($column: usize),+
        }

        impl $name {
            /// Looks the columns up.
            $visibility fn of(statement: &rusqlite::Statement<'_>) -> rusqlite::Result<Self> {
                Ok(Self { $($column: statement.column_index(stringify!($column))?),+ })
            }
        }
    };
}

pub(super) use columns;
