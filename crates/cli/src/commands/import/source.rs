//! What is imported: a file from any line on, or standard input once.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use axum::body::Bytes;
use clap::ValueEnum;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use crate::failure::wrong_input;

/// How much of the input is read at once.
const READ_SIZE: usize = 64 * 1024;

/// How many of a file's first bytes are compared to tell it from another.
const COMPARED: u64 = 1 << 20;

/// How preferences are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// A JSON object a line.
    Jsonl,
    /// A line of column names, then a record for each user and feature.
    Csv,
}

/// What is imported.
pub(super) struct Source {
    /// `None`: standard input.
    file: Option<PathBuf>,
    /// In bytes, where that is known.
    size: Option<u64>,
    format: Format,
}

/// What identifies a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    size: u64,
    beginning: String,
    format: Format,
}

/// What is left of a source.
pub(super) struct Rest {
    /// The media type.
    pub(super) kind: &'static str,
    /// How many lines of the source come before the first that is sent, but for those sent once
    /// more.
    pub(super) lines_before: u64,
    /// How many bytes of the source come before it.
    pub(super) offset: u64,
    /// What is sent first: the header of CSV.
    header: Vec<u8>,
    input: Box<dyn AsyncRead + Send + Unpin>,
}

/// Where a line or record of a file begins.
struct LinePosition {
    header: Vec<u8>,
    offset: u64,
    lines_before: u64,
}

impl Format {
    /// Returns the format that a file's name promises.
    pub(crate) fn of_name(path: &Path) -> Self {
        match path.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("csv") => Self::Csv,
            _ => Self::Jsonl,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Csv => "text/csv",
        }
    }
}

impl Source {
    /// Opens a file, or standard input for `-`.
    pub(super) fn open(path: &Path, format: Option<Format>) -> anyhow::Result<Self> {
        let format = format.unwrap_or_else(|| Format::of_name(path));
        if path.as_os_str() == "-" {
            return Ok(Self { file: None, size: None, format });
        }
        let about = File::open(path).and_then(|file| file.metadata());
        let about = about
            .map_err(|error| wrong_input(format!("cannot read {}: {error}", path.display())))?;
        if about.is_dir() {
            return Err(wrong_input(format!("{} is a folder", path.display())));
        }
        Ok(Self { file: Some(path.into()), size: about.is_file().then_some(about.len()), format })
    }

    /// Returns the size in bytes; `None` for a stream.
    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Returns whether it can be read from its beginning again: a pipe cannot.
    pub(super) fn can_be_read_again(&self) -> bool {
        self.size.is_some()
    }

    /// Returns what identifies the file; `None` for a stream.
    pub(super) fn fingerprint(&self) -> anyhow::Result<Option<Fingerprint>> {
        let (Some(path), Some(size)) = (&self.file, self.size) else { return Ok(None) };
        let mut beginning = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(COMPARED).read_to_end(&mut beginning));
        read.with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Some(Fingerprint {
            size,
            beginning: blake3::hash(&beginning).to_string(),
            format: self.format,
        }))
    }

    /// Returns what comes behind this line, 0 for everything. The line's own record may come once
    /// more.
    pub(super) async fn behind(&self, line: u64) -> anyhow::Result<Rest> {
        let kind = self.format.media_type();
        let Some(path) = &self.file else {
            return Ok(Rest {
                kind,
                lines_before: 0,
                offset: 0,
                header: Vec::new(),
                input: Box::new(tokio::io::stdin()),
            });
        };
        let (path, format) = (path.clone(), self.format);
        let opened = tokio::task::spawn_blocking(move || open_behind(&path, format, line))
            .await
            .context("reading broke down")?;
        let (file, LinePosition { header, offset, lines_before }) =
            opened.with_context(|| format!("cannot read on behind line {line}"))?;
        Ok(Rest {
            kind,
            lines_before,
            offset,
            header,
            input: Box::new(tokio::fs::File::from_std(file)),
        })
    }
}

impl Rest {
    /// Returns the bytes to send; `read` counts those that come from the source.
    pub(super) fn bytes(
        self,
        read: Arc<AtomicU64>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        let header = (!self.header.is_empty()).then(|| Ok(Bytes::from(self.header)));
        let rest = ReaderStream::with_capacity(self.input, READ_SIZE).inspect_ok(move |bytes| {
            read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        });
        stream::iter(header).chain(rest)
    }
}

fn open_behind(path: &Path, format: Format, line: u64) -> anyhow::Result<(File, LinePosition)> {
    let mut file = File::open(path)?;
    let place = match (line, format) {
        (0, _) => LinePosition { header: Vec::new(), offset: 0, lines_before: 0 },
        (_, Format::Jsonl) => behind_line(BufReader::with_capacity(READ_SIZE, &file), line)?,
        (_, Format::Csv) => at_record(&file, line)?,
    };
    file.seek(SeekFrom::Start(place.offset))?;
    Ok((file, place))
}

fn behind_line(mut file: impl BufRead, line: u64) -> io::Result<LinePosition> {
    let (mut offset, mut passed) = (0, 0);
    while passed < line {
        let skipped = file.skip_until(b'\n')?;
        if skipped == 0 {
            break;
        }
        offset += skipped as u64;
        passed += 1;
    }
    Ok(LinePosition { header: Vec::new(), offset, lines_before: passed })
}

/// Returns where the record begins that stands on this line, or one shortly before.
///
/// A record's position is where the reader stood before it: at or behind the first line of the
/// record before, and never behind its own. So none whose position is above the line was passed
/// over.
fn at_record(mut file: &File, line: u64) -> anyhow::Result<LinePosition> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(BufReader::with_capacity(READ_SIZE, file));
    let mut record = csv::ByteRecord::new();
    reader.read_byte_record(&mut record)?;
    let behind_header = reader.position().clone();
    let mut place = behind_header.clone();
    while place.line() < line && reader.read_byte_record(&mut record)? {
        place = reader.position().clone();
    }
    let mut header = vec![0; behind_header.byte() as usize];
    file.rewind()?;
    file.read_exact(&mut header)?;
    Ok(LinePosition {
        header,
        offset: place.byte(),
        lines_before: place.line() - behind_header.line(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rest(text: &str, name: &str, line: u64) -> (String, u64) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        let source = Source::open(&path, None).expect("opens");
        let rest = source.behind(line).await.expect("reads");
        let lines_before = rest.lines_before;
        let pieces: Vec<Bytes> = rest.bytes(Arc::default()).try_collect().await.expect("reads");
        (String::from_utf8(pieces.concat()).expect("text"), lines_before)
    }

    #[tokio::test]
    async fn lines_go_on_behind_the_last_result() {
        let text = "one\n\nthree\nfour";
        assert_eq!(rest(text, "x.jsonl", 0).await, (text.into(), 0));
        assert_eq!(rest(text, "x.jsonl", 3).await, ("four".into(), 3));
        assert_eq!(rest(text, "x.jsonl", 9).await, (String::new(), 4));
    }

    #[tokio::test]
    async fn records_go_on_with_their_header_and_their_line_numbers() {
        for end in ["\n", "\r\n"] {
            let text = ["a,b", "1,\"x", "y\"", "", "2,z", "3,z", ""].join(end);
            assert_eq!(rest(&text, "x.csv", 0).await.0, text);
            for (line, next) in [(2, 5), (5, 6)] {
                let (sent, lines_before) = rest(&text, "x.csv", line).await;
                assert!(sent.starts_with("a,b"), "{sent}");
                let record = format!("{},z", next - 3);
                let place = sent.find(&record).unwrap_or_else(|| panic!("{record} in {sent}"));
                let number = sent[..place].matches('\n').count() as u64 + 1 + lines_before;
                assert_eq!(number, next, "{sent:?}");
            }
        }
    }
}
