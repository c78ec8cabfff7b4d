//! Rows of any table, as they go from one database to another: what both databases can hold, and
//! what a table looks like.

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    /// Of a column of numbers, or of flags: 0 and 1.
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Some rows of a table, each with its columns in the order of the plan.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The table's place in the plan.
    pub(crate) table: usize,
    pub(crate) rows: Vec<Vec<Value>>,
}

/// A table as a database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableShape {
    pub(crate) name: String,
    pub(crate) columns: Vec<ColumnShape>,
}

/// A column as a database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnShape {
    pub(crate) name: String,
    /// Whether a row may be put in without it.
    pub(crate) may_be_left_out: bool,
}

/// What is read of a table and how it is put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TablePlan {
    pub(crate) name: String,
    /// The columns that both databases have.
    pub(crate) columns: Vec<String>,
    /// Columns that only the target has, each with the value of every row.
    pub(crate) filled: Vec<(String, i64)>,
}

/// Tables that say which program may use a database: each database has its own.
pub(crate) const OF_MIGRATIONS: [&str; 2] = ["compatibility", "refinery_schema_history"];

/// How many rows go at once: it bounds the memory that a transfer takes.
pub(crate) const ROWS_A_BATCH: usize = 2_000;

/// How many batches wait between the two databases.
pub(crate) const BATCHES_WAITING: usize = 4;
