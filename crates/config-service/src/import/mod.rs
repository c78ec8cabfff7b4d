//! Import: one line of JSON or one record of CSV in, one result out (W1). Bad ones are refused and
//! good ones are stored.
//!
//! ```text
//! bytes ─► json_lines::Lines ─┐                                   ┌ rows ─► the store
//! bytes ─► csv::Records ──────┴─► entries ─► Batch::read (Shape) ─┴ results
//! ```
//!
//! The cutter holds one entry at a time and looks at bytes only; a whole batch is read together. An
//! entry is named by the number of the line on which it begins.

mod batch;
mod csv;
mod cutter;
mod entry;
mod json_lines;
mod record;
mod row;

pub(crate) use self::batch::{Batch, LineResult, Shape};
pub(crate) use self::csv::{Columns, Records};
pub(crate) use self::cutter::Cutter;
pub(crate) use self::entry::Entry;
pub(crate) use self::json_lines::Lines;
pub(crate) use self::row::Row;
