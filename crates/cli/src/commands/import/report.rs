//! The lines that an import refused, for people or for programs.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::Context;
use cohort_config_client::ImportLine;
use serde_json::json;

use super::progress::BytesRead;
use crate::failure::wrong_input;

/// Where refused lines are reported.
pub(super) enum Report {
    /// For people, as they come.
    StandardError,
    /// For programs, as JSON Lines.
    File(BufWriter<File>),
}

impl Report {
    /// Opens the report, and keeps the first bytes that this import wrote before it broke off.
    pub(super) fn open(path: Option<&Path>, kept: u64) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::StandardError) };
        let open = || {
            let mut file = File::options().write(true).create(true).truncate(false).open(path)?;
            file.set_len(kept.min(file.metadata()?.len()))?;
            file.seek(SeekFrom::End(0))?;
            io::Result::Ok(file)
        };
        let file = open().map_err(|error| {
            wrong_input(format!("--report: cannot write {}: {error}", path.display()))
        })?;
        Ok(Self::File(BufWriter::new(file)))
    }

    /// Reports a line that is refused; returns by how many bytes the report grew.
    pub(super) fn refused(
        &mut self,
        line: &ImportLine,
        progress: &BytesRead,
    ) -> anyhow::Result<u64> {
        match self {
            Self::StandardError => {
                refusal_of(line).for_each(|text| progress.say(&text));
                Ok(0)
            }
            Self::File(file) => {
                let text = json!({"line": line.line, "tenant_id": line.tenant_id,
                    "detail": line.detail, "errors": line.errors});
                let text = format!("{text}\n");
                file.write_all(text.as_bytes()).context("cannot write the report")?;
                Ok(text.len() as u64)
            }
        }
    }

    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        match self {
            Self::StandardError => Ok(()),
            Self::File(file) => file.flush().context("cannot write the report"),
        }
    }
}

/// Returns a text for each wrong field, such as `line 3: /preference/frequency: expected …`.
fn refusal_of(line: &ImportLine) -> impl Iterator<Item = String> {
    let number = line.line;
    let whole = line
        .errors
        .is_empty()
        .then(|| format!("line {number}: {}", line.detail.as_deref().unwrap_or("refused")));
    let fields = line.errors.iter().map(move |field| match field.pointer.as_str() {
        "" => format!("line {number}: {}", field.detail),
        pointer => format!("line {number}: {pointer}: {}", field.detail),
    });
    whole.into_iter().chain(fields)
}
