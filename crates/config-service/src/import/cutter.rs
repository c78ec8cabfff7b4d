//! Cuts a stream into entries.

use super::csv::Records;
use super::entry::Entry;
use super::json_lines::Lines;

/// Cuts a stream into entries; holds no more than one.
#[derive(Debug)]
pub(crate) enum Cutter {
    /// Into lines.
    Lines(Lines),
    /// Into records.
    Records(Box<Records>),
}

impl Cutter {
    /// Takes the next bytes and gives each entry that they complete, with the number of its first
    /// line.
    pub(crate) fn feed(&mut self, bytes: &[u8], each: impl FnMut(u64, Entry)) {
        match self {
            Self::Lines(lines) => lines.feed(bytes, each),
            Self::Records(records) => records.feed(bytes, each),
        }
    }

    /// Gives the last entry, if it did not end.
    pub(crate) fn finish(&mut self, each: impl FnMut(u64, Entry)) {
        match self {
            Self::Lines(lines) => std::mem::take(lines).finish(each),
            Self::Records(records) => std::mem::take(&mut **records).finish(each),
        }
    }
}
