//! Import: one line of JSON or one record of CSV in, one result out (W1). A bad one is refused and
//! the good ones are stored.
//!
//! ```text
//! bytes ─► json_lines::Lines ─┐                                   ┌ rows ─► the store
//! bytes ─► csv::Records ──────┴─► entries ─► Batch::read (Shape) ─┴ results
//! ```
//!
//! Cutting holds one entry at a time and needs no more than the bytes; what an entry means is read
//! for a whole batch. An entry is named by the number of the line that it begins on.

mod batch;
mod csv;
mod cutter;
mod entry;
mod json_lines;
mod row;

pub(crate) use self::batch::{Batch, LineResult, Shape};
pub(crate) use self::csv::{Columns, Records};
pub(crate) use self::cutter::Cutter;
pub(crate) use self::entry::Entry;
pub(crate) use self::json_lines::Lines;
pub(crate) use self::row::Row;
