//! Puts rows into a table: few by one INSERT, many by COPY.
//!
//! ```text
//! rows ─┬─ few ──► one array a column ─► INSERT … SELECT FROM unnest
//!       └─ many ─► binary rows ────────► COPY … FROM STDIN
//! ```
//!
//! The INSERT is sent together with other statements. The COPY is less work for the server, and one
//! round trip more.

use std::error::Error;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::SinkExt;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::connection::{GenericClient, Transaction};
use super::statement::execute;
use crate::error::DatabaseError;

/// From so many rows on they are copied.
const MANY: usize = 1_000;

/// Bytes that are handed to the connection at once. The driver's own writer of rows hands over 4
/// KiB, each a switch between two threads and back.
const PIECE: usize = 128 << 10;

/// What binary rows begin with, and what they end with (COPY, "Binary Format"): signature, no
/// flags, no extension.
const BEGIN: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const END: i16 = -1;

/// Where rows go.
pub struct Table<const N: usize> {
    /// Its name.
    pub name: &'static str,
    /// The columns that rows state, with their kinds.
    pub columns: [(&'static str, Kind); N],
}

/// What a column holds.
#[derive(Clone, Copy)]
pub enum Kind {
    /// `BIGINT`.
    Number,
    /// `INTEGER`.
    Integer,
    /// `BOOLEAN`.
    Flag,
    /// `TEXT`.
    Text,
}

/// A column of a row.
#[derive(Debug)]
pub enum Field<'a> {
    /// Of a column of numbers.
    Number(Option<i64>),
    /// Of a column of integers.
    Integer(i32),
    /// Of a column of flags.
    Flag(bool),
    /// Of a column of text.
    Text(Option<&'a str>),
}

impl<const N: usize> Table<N> {
    /// Puts rows in that are not there.
    pub async fn insert<'f, E: From<DatabaseError>>(
        &self,
        db: &Transaction<'_>,
        rows: impl ExactSizeIterator<Item = Result<[Field<'f>; N], E>>,
    ) -> Result<(), E> {
        if rows.len() < MANY {
            self.insert_or(db, rows, "").await.map(drop)
        } else {
            db.limit().keep(self.copy(&db.inner, rows)).await
        }
    }

    /// Puts rows in; `instead` says what is done where one is there. Returns how many were put in
    /// or changed.
    pub async fn insert_or<'f, E: From<DatabaseError>>(
        &self,
        db: &Transaction<'_>,
        rows: impl ExactSizeIterator<Item = Result<[Field<'f>; N], E>>,
        instead: &str,
    ) -> Result<u64, E> {
        if rows.len() == 0 {
            return Ok(0);
        }
        let mut columns: [Vec<Field<'f>>; N] =
            std::array::from_fn(|_| Vec::with_capacity(rows.len()));
        for row in rows {
            columns.iter_mut().zip(row?).for_each(|(column, field)| column.push(field));
        }
        let bound = columns.each_ref().map(|column| column as &(dyn ToSql + Sync));
        let arrays: Vec<_> = (1..)
            .zip(&self.columns)
            .map(|(place, (_, kind))| format!("${place}::{}[]", kind.as_sql()))
            .collect();
        let insert = format!(
            "INSERT INTO {} ({}) SELECT * FROM unnest({}) {instead}",
            self.name,
            self.named_columns(),
            arrays.join(", ")
        );
        Ok(execute(db, &insert, &bound).await?)
    }

    async fn copy<'f, E: From<DatabaseError>>(
        &self,
        db: &deadpool_postgres::Transaction<'_>,
        rows: impl Iterator<Item = Result<[Field<'f>; N], E>>,
    ) -> Result<(), E> {
        let copy = format!("COPY {} ({}) FROM STDIN BINARY", self.name, self.named_columns());
        let copy = db.prepare_cached(&copy).await.map_err(DatabaseError::from)?;
        let mut sink = Box::pin(db.copy_in::<_, Bytes>(&copy).await.map_err(DatabaseError::from)?);
        let mut piece = BytesMut::with_capacity(PIECE);
        piece.put_slice(BEGIN);
        for row in rows {
            piece.put_i16(N as i16);
            row?.iter().for_each(|field| field.append_to(&mut piece));
            if piece.len() >= PIECE {
                let full = std::mem::replace(&mut piece, BytesMut::with_capacity(PIECE));
                sink.send(full.freeze()).await.map_err(DatabaseError::from)?;
            }
        }
        piece.put_i16(END);
        sink.send(piece.freeze()).await.map_err(DatabaseError::from)?;
        sink.as_mut().finish().await.map_err(DatabaseError::from)?;
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
            Self::Integer => "integer",
            Self::Flag => "boolean",
            Self::Text => "text",
        }
    }
}

impl Field<'_> {
    /// Appends it to a binary row: how many bytes it has, or -1, and these.
    fn append_to(&self, row: &mut BytesMut) {
        match self {
            Self::Number(None) | Self::Text(None) => row.put_i32(-1),
            Self::Number(Some(number)) => {
                row.put_i32(8);
                row.put_i64(*number);
            }
            Self::Integer(number) => {
                row.put_i32(4);
                row.put_i32(*number);
            }
            Self::Flag(flag) => {
                row.put_i32(1);
                row.put_u8(u8::from(*flag));
            }
            Self::Text(Some(text)) => {
                row.put_i32(text.len() as i32);
                row.put_slice(text.as_bytes());
            }
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
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Number(number) => number.to_sql(kind, out),
            Self::Integer(number) => number.to_sql(kind, out),
            Self::Flag(flag) => flag.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BOOL, Type::TEXT].contains(kind)
    }

    to_sql_checked!();
}
