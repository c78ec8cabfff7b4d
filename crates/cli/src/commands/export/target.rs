//! Where an export goes, and what is said about it.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use crate::output::Output;
use crate::progress::Progress;

/// Where the export goes.
pub(super) enum Target {
    Stdout,
    /// Written beside its place and put there when it is whole.
    File {
        place: PathBuf,
        part: PathBuf,
    },
}

impl Target {
    /// Returns the file at a path, or standard output for `-`.
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        let name =
            path.file_name().with_context(|| format!("{} is no name of a file", path.display()))?;
        let mut part = name.to_owned();
        part.push(".part");
        Ok(Self::File { place: path.into(), part: path.with_file_name(part) })
    }

    /// Opens it for writing.
    pub(super) fn open(&self) -> anyhow::Result<Box<dyn Write>> {
        Ok(match self {
            Self::Stdout => Box::new(BufWriter::new(io::stdout())),
            Self::File { part, .. } => {
                let file = File::create(part)
                    .with_context(|| format!("cannot write {}", part.display()))?;
                Box::new(BufWriter::new(file))
            }
        })
    }

    /// Puts a file that is whole in its place.
    pub(super) fn keep(&self) -> anyhow::Result<()> {
        match self {
            Self::Stdout => Ok(()),
            Self::File { place, part } => std::fs::rename(part, place)
                .with_context(|| format!("cannot write {}", place.display())),
        }
    }

    /// Returns the progress of what is written here; a terminal that shows the export itself shows
    /// no bar.
    pub(super) fn progress(&self, unit: &str) -> Progress {
        if matches!(self, Self::Stdout) && io::stdout().is_terminal() {
            return Progress::hidden();
        }
        Progress::of_things(unit, None)
    }

    /// Prints what was written on standard output, or on standard error if the export itself went
    /// to standard output.
    pub(super) fn print_summary(
        &self,
        output: Output,
        summary: &impl Serialize,
        text: String,
    ) -> anyhow::Result<()> {
        let line = match output {
            Output::Json => serde_json::to_string(summary)?,
            Output::Text => text,
        };
        match self {
            Self::Stdout => writeln!(io::stderr(), "{line}")?,
            Self::File { .. } => writeln!(io::stdout(), "{line}")?,
        }
        Ok(())
    }
}

/// Writes a line of JSON.
pub(super) fn write_line(target: &mut impl Write, value: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(target.write_all(&line)?)
}
