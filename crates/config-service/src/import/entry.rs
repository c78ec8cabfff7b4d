//! The lines or records that an import is cut into.

use super::record::Record;

/// The longest line or record, in bytes (W5).
pub(crate) const LONGEST_ENTRY: usize = 1 << 20;

/// One line or record of what is imported, not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A whole line of JSON without its end.
    Line(Vec<u8>),
    /// A whole record of CSV.
    Record(Record),
    /// Longer than [`LONGEST_ENTRY`].
    TooLong,
}

impl Entry {
    /// Returns whether the entry is blank: it then has no result.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Line(text) => text.trim_ascii().is_empty(),
            Self::Record(record) => record.is_blank(),
            Self::TooLong => false,
        }
    }

    /// Returns how many bytes it holds.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Line(text) => text.len(),
            Self::Record(record) => record.len(),
            Self::TooLong => 0,
        }
    }
}
