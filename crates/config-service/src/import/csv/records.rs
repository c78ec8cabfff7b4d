//! Cuts a stream into records.
//!
//! `csv-core` is driven by hand: `csv-async` and `csv` grow a record for as long as a quote stays
//! open, and here nothing that is sent may take more memory than [`LONGEST_ENTRY`]. Besides they
//! pull bytes, while an import is pushed as it arrives, so that a stream that pauses is written as
//! far as it has come.

use csv_core::{ReadRecordResult, Reader};

use super::columns::KNOWN;
use crate::import::entry::{Entry, LONGEST_ENTRY};
use crate::import::record::Record;

/// Cuts a stream into records. A record may span lines and pieces of the stream.
#[derive(Debug)]
pub(crate) struct Records {
    reader: Reader,
    open: Open,
    /// The line that the next byte stands on.
    line: u64,
}

/// The record that has not ended.
#[derive(Debug, Default)]
struct Open {
    /// Its first line; `None` before its first byte.
    line: Option<u64>,
    text: Vec<u8>,
    text_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
    is_too_long: bool,
}

impl Default for Records {
    fn default() -> Self {
        Self { reader: Reader::new(), open: Open::default(), line: 1 }
    }
}

impl Records {
    /// Takes the next bytes and gives each record that they complete, with the number of its first
    /// line.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(u64, Entry)) {
        while !bytes.is_empty() {
            if self.open.line.is_none() {
                bytes = self.skip_line_ends(bytes);
                if bytes.is_empty() {
                    return;
                }
                self.open.line = Some(self.line);
            }
            let taken = self.step(bytes, &mut each);
            self.line += line_ends(&bytes[..taken]);
            bytes = &bytes[taken..];
        }
    }

    /// Gives the last record, if it did not end.
    pub(crate) fn finish(mut self, mut each: impl FnMut(u64, Entry)) {
        while self.open.line.is_some() {
            // No bytes mean the end to the reader, which then ends the record; it may ask for more
            // room before.
            self.step(&[], &mut each);
        }
    }

    /// Between records there are only ends of lines, blank lines' too.
    fn skip_line_ends<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.line += line_ends(&bytes[..blank]);
        &bytes[blank..]
    }

    /// Lets the reader take one step, and returns how many bytes it took.
    fn step(&mut self, bytes: &[u8], each: &mut impl FnMut(u64, Entry)) -> usize {
        let open = &mut self.open;
        let (text, ends) = (&mut open.text[open.text_len..], &mut open.ends[open.ends_len..]);
        let (result, taken, written, ended) = self.reader.read_record(bytes, text, ends);
        open.text_len += written;
        open.ends_len += ended;
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull => open.make_room_for_text(),
            ReadRecordResult::OutputEndsFull => open.make_room_for_ends(),
            ReadRecordResult::Record | ReadRecordResult::End => {
                if let Some((line, entry)) = open.take() {
                    each(line, entry);
                }
            }
        }
        taken
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

impl Open {
    fn make_room_for_text(&mut self) {
        if self.text.len() >= LONGEST_ENTRY {
            self.give_up();
        } else {
            self.text.resize((2 * self.text.len()).clamp(512, LONGEST_ENTRY), 0);
        }
    }

    fn make_room_for_ends(&mut self) {
        // More cells than any header has columns are never read.
        if self.ends.len() >= 1024 {
            self.give_up();
        } else {
            self.ends.resize((2 * self.ends.len()).max(KNOWN.len() + 1), 0);
        }
    }

    /// Drops the record; only its end is still looked for.
    fn give_up(&mut self) {
        (self.is_too_long, self.text_len, self.ends_len) = (true, 0, 0);
    }

    /// Returns the record, which has ended.
    fn take(&mut self) -> Option<(u64, Entry)> {
        let line = self.line.take()?;
        let record = Record {
            text: self.text[..self.text_len].into(),
            ends: self.ends[..self.ends_len].into(),
        };
        (self.text_len, self.ends_len) = (0, 0);
        let entry = if std::mem::take(&mut self.is_too_long) {
            Entry::TooLong
        } else {
            Entry::Record(record)
        };
        Some((line, entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8], piece: usize) -> Vec<(u64, Vec<String>)> {
        let (mut records, mut seen) = (Records::default(), Vec::new());
        let mut each = |line, entry| match entry {
            Entry::Record(record) => {
                seen.push((
                    line,
                    record.cells().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect(),
                ));
            }
            other => seen.push((line, vec![format!("{other:?}")])),
        };
        for bytes in text.chunks(piece) {
            records.feed(bytes, &mut each);
        }
        records.finish(&mut each);
        seen
    }

    #[test]
    fn records_are_cut_wherever_the_stream_is_cut_and_named_by_their_first_line() {
        let text = b"a,b\r\n\r\n\"x\ny\",\"say \"\"hi\"\"\"\n\n1,\nlast";
        let expected = [
            (1, vec!["a", "b"]),
            (3, vec!["x\ny", "say \"hi\""]),
            (6, vec!["1", ""]),
            (7, vec!["last"]),
        ];
        for piece in 1..=text.len() {
            let seen = cut(text, piece);
            let seen: Vec<_> = seen
                .iter()
                .map(|(line, cells)| (*line, cells.iter().map(String::as_str).collect::<Vec<_>>()))
                .collect();
            assert_eq!(seen, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_record_that_is_too_long_is_told_so_and_the_next_is_read() {
        let text =
            format!("\"{}\"\nnext\n{}\nlast", "x".repeat(2 * LONGEST_ENTRY), ",".repeat(5_000));
        let seen = cut(text.as_bytes(), 64 * 1024);
        let too_long = || vec!["TooLong".to_owned()];
        assert_eq!(
            seen,
            [(1, too_long()), (2, vec!["next".into()]), (3, too_long()), (4, vec!["last".into()])]
        );
    }
}
