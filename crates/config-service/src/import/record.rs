//! The cells of a record.

/// The cells of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// The cells one after the other.
    pub(in crate::import) text: Vec<u8>,
    /// Where each cell ends.
    pub(in crate::import) ends: Vec<usize>,
}

impl Record {
    /// Returns each cell.
    pub(in crate::import) fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.text[begin..*end])
    }

    /// Returns whether all cells are empty.
    pub(crate) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns how many bytes the cells hold.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }
}
