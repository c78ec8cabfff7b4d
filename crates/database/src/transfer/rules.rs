//! What is particular about the tables of a database that is written anew.

/// What is particular about the tables of a database.
pub struct Rules {
    /// Tables of which a database has rows as soon as it is made.
    pub made_with_rows: &'static [&'static str],
    /// Tables that only one of the databases has; `finish` sees to them.
    pub of_one_database: &'static [&'static str],
    /// Columns that only one of the databases has, with the value of every row where the target
    /// has them: table (empty: any), column and value.
    pub of_one_column: &'static [(&'static str, &'static str, i64)],
    /// Statements for an SQLite target, run once all rows are there.
    pub finish_sqlite: String,
    /// Statements for a PostgreSQL target, run once all rows are there.
    pub finish_postgres: String,
}
