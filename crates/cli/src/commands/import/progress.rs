//! What an import says on its way: a bar on a terminal, and each line that is refused.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use cohort_config_client::ImportLine;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::failure::WrongInput;

/// A bar by bytes read, once the import takes more than a second on a terminal.
pub(super) struct Progress {
    started: Instant,
    size: Option<u64>,
    read: Arc<AtomicU64>,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn of(size: Option<u64>) -> Self {
        Self { started: Instant::now(), size, read: Arc::default(), bar: None }
    }

    /// Where the bytes are counted that are read from here on.
    pub(super) fn reading_from(&mut self, offset: u64) -> Arc<AtomicU64> {
        self.read = Arc::new(AtomicU64::new(offset));
        Arc::clone(&self.read)
    }

    /// Shows how far it is now.
    pub(super) fn tick(&mut self) {
        if self.bar.is_none()
            && io::stderr().is_terminal()
            && self.started.elapsed() > Duration::from_secs(1)
        {
            self.bar = Some(bar(self.size));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.read.load(Ordering::Relaxed));
        }
    }

    /// Says something between.
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(size: Option<u64>) -> ProgressBar {
    let (bar, template) = match size {
        Some(size) => (
            ProgressBar::new(size),
            "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}, {bytes_per_sec}"),
    };
    bar.with_style(
        ProgressStyle::with_template(template).expect("the templates above are well formed"),
    )
}

/// Where refused lines are reported.
pub(super) enum Report {
    /// For people, as they come.
    StandardError,
    /// For programs, as JSON Lines.
    File(BufWriter<File>),
}

impl Report {
    /// Opens the report and keeps its first bytes, which an import that goes on has written before.
    pub(super) fn open(path: Option<&Path>, kept: u64) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::StandardError) };
        let open = || {
            let mut file = File::options().write(true).create(true).truncate(false).open(path)?;
            file.set_len(kept.min(file.metadata()?.len()))?;
            file.seek(SeekFrom::End(0))?;
            io::Result::Ok(file)
        };
        let file = open().map_err(|error| {
            WrongInput(format!("--report: cannot write {}: {error}", path.display()))
        })?;
        Ok(Self::File(BufWriter::new(file)))
    }

    /// Reports a line that is refused; says by how many bytes the report grew.
    pub(super) fn refused(
        &mut self,
        line: &ImportLine,
        progress: &Progress,
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

/// `line 3: /config_value/x/preferred_time: expected …`, a text for each field that is wrong.
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
