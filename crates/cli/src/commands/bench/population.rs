//! The users of a bench, as a file that an import reads.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;
use axum::body::Bytes;
use futures_util::Stream;
use tempfile::TempDir;
use tokio_util::io::ReaderStream;

/// How much of the file is sent at once.
const PIECE: usize = 256 * 1024;

/// A file with a line for each user, in a folder that is removed with it.
pub(super) struct Population {
    _folder: TempDir,
    file: PathBuf,
    /// How many users there are.
    pub(super) users: u64,
    /// How many bytes their lines have.
    pub(super) bytes: u64,
}

impl Population {
    /// Writes the line of each user.
    pub(super) fn write(users: u64, line: impl Fn(u64) -> String) -> anyhow::Result<Self> {
        let folder = TempDir::new().context("cannot make a folder")?;
        let file = folder.path().join("lines.jsonl");
        let bytes = write_lines(&file, (0..users).map(line)).context("cannot write the lines")?;
        Ok(Self { _folder: folder, file, users, bytes })
    }

    /// Returns the lines, as an import sends them.
    pub(super) async fn lines(
        &self,
    ) -> anyhow::Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
        let file = tokio::fs::File::open(&self.file).await.context("cannot read the lines")?;
        Ok(ReaderStream::with_capacity(file, PIECE))
    }
}

fn write_lines(path: &std::path::Path, lines: impl Iterator<Item = String>) -> io::Result<u64> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut bytes = 0;
    for line in lines {
        file.write_all(line.as_bytes())?;
        bytes += line.len() as u64;
    }
    file.flush()?;
    Ok(bytes)
}
