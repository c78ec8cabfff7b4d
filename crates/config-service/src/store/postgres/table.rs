//! Puts rows into a table: few by one INSERT, many by COPY.
//!
//! ```text
//! rows ─┬─ few ──► one array a column ─► INSERT … SELECT FROM unnest    sent with what else is on the way
//!       └─ many ─► binary rows ────────► COPY … FROM STDIN              half of the server's work, a way and back more
//! ```

use std::error::Error;

use bytes::BytesMut;
use cohort_database::Transaction;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::statement::execute;
use crate::store::Result;

/// From so many rows on they are copied.
const MANY: usize = 1_000;

/// Where rows go.
pub(super) struct Table<const N: usize> {
    /// Its name.
    pub(super) name: &'static str,
    /// The columns that rows state, with their kinds.
    pub(super) columns: [(&'static str, Kind); N],
}

/// What a column holds.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Number,
    Text,
}

/// A column of a row.
#[derive(Debug)]
pub(super) enum Field<'a> {
    /// Of a column of numbers.
    Number(Option<i64>),
    /// Of a column of text.
    Text(Option<&'a str>),
}

impl<const N: usize> Table<N> {
    /// Puts rows in that are not there.
    pub(super) async fn insert(&self, db: &Transaction<'_>, rows: Vec<[Field<'_>; N]>) -> Result<()> {
        if rows.len() < MANY { self.insert_or(db, rows, "").await } else { self.copy(db, rows).await }
    }

    /// Puts rows in; `instead` says what is done where one is there.
    pub(super) async fn insert_or(&self, db: &Transaction<'_>, rows: Vec<[Field<'_>; N]>, instead: &str) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut columns: [Vec<Field<'_>>; N] = std::array::from_fn(|_| Vec::with_capacity(rows.len()));
        for row in rows {
            columns.iter_mut().zip(row).for_each(|(column, field)| column.push(field));
        }
        let bound = columns.each_ref().map(|column| column as &(dyn ToSql + Sync));
        let arrays: Vec<_> = (1..).zip(&self.columns).map(|(place, (_, kind))| format!("${place}::{}[]", kind.as_sql())).collect();
        let insert = format!("INSERT INTO {} ({}) SELECT * FROM unnest({}) {instead}", self.name, self.named_columns(), arrays.join(", "));
        execute(db, &insert, &bound).await?;
        Ok(())
    }

    async fn copy(&self, db: &Transaction<'_>, rows: Vec<[Field<'_>; N]>) -> Result<()> {
        let copy = format!("COPY {} ({}) FROM STDIN BINARY", self.name, self.named_columns());
        let sink = db.copy_in(&db.prepare_cached(&copy).await?).await?;
        let mut writer = Box::pin(BinaryCopyInWriter::new(sink, &self.columns.each_ref().map(|(_, kind)| kind.as_type())));
        for row in rows {
            writer.as_mut().write_raw(row).await?;
        }
        writer.as_mut().finish().await?;
        Ok(())
    }

    fn named_columns(&self) -> String {
        self.columns.each_ref().map(|(name, _)| *name).join(", ")
    }
}

impl Kind {
    fn as_sql(self) -> &'static str {
        match self {
            Self::Number => "bigint",
            Self::Text => "text",
        }
    }

    fn as_type(self) -> Type {
        match self {
            Self::Number => Type::INT8,
            Self::Text => Type::TEXT,
        }
    }
}

impl From<Option<i64>> for Field<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl<'a> From<Option<&'a str>> for Field<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl ToSql for Field<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Number(number) => number.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::INT8 || *kind == Type::TEXT
    }

    to_sql_checked!();
}
