//! `cohort import`: preferences as JSON Lines into the Config Database.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use cohort_config_client::{ImportLine, ImportStatus};
use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::fs::File;
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use crate::commands::Output;
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs};
use crate::failure::WrongInput;

const EXAMPLE: &str = r#"Example:
  cohort import preferences.jsonl --data ./data

Each line is a document of one user, or one user's preference for one feature:
{"tenant_id":"user123","config_key":"feature_preferences","config_value":{"instagram_posts":{"frequency":"daily","preferred_time":"09:00"}}}
{"tenant_id":"user123","feature_type":"instagram_posts","preference":{"frequency":"weekly","preferred_day":"monday"}}

With --json the summary is {"lines","stored","unchanged","refused"}."#;

/// How much of the input is read at once.
const READ_SIZE: usize = 64 * 1024;

/// Store preferences from JSON Lines
///
/// A line that is wrong is reported on standard error and not stored; the others are, and the exit code is then 2.
/// Importing the same file again does no harm.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Import {
    /// The file, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// What became of the lines.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    lines: u64,
    stored: u64,
    unchanged: u64,
    refused: u64,
}

impl Import {
    pub(crate) async fn run(&self, environment: &Environment, output: Output) -> anyhow::Result<()> {
        let (input, size) = self.open().await?;
        let endpoint = self.endpoint.connect(environment, Access::Change).await?;
        let mut progress = Progress::of(size);
        let read = Arc::clone(&progress.read);
        let bytes = ReaderStream::with_capacity(input, READ_SIZE).inspect_ok(move |bytes| {
            read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        });
        let mut results = endpoint.post_lines("/preferences/import", bytes).await?;
        let mut summary = Summary::default();
        loop {
            let done = summary.lines;
            let broke_off = || format!("the import broke off after {done} lines, which are stored; importing all again does no harm");
            let Some(text) = results.next_line().await.with_context(broke_off)? else {
                break;
            };
            let line: ImportLine = serde_json::from_str(&text).with_context(broke_off)?;
            summary.count(line.status);
            progress.after(&line);
        }
        progress.end();
        summary.print(output)
    }

    async fn open(&self) -> anyhow::Result<(Box<dyn AsyncRead + Send + Unpin>, Option<u64>)> {
        if self.file.as_os_str() == "-" {
            return Ok((Box::new(tokio::io::stdin()), None));
        }
        let cannot_read = |error| WrongInput(format!("cannot read {}: {error}", self.file.display()));
        let file = File::open(&self.file).await.map_err(cannot_read)?;
        let about = file.metadata().await.map_err(cannot_read)?;
        if about.is_dir() {
            return Err(WrongInput(format!("{} is a folder", self.file.display())).into());
        }
        Ok((Box::new(file), about.is_file().then_some(about.len())))
    }
}

impl Summary {
    fn count(&mut self, status: ImportStatus) {
        self.lines += 1;
        match status {
            ImportStatus::Stored => self.stored += 1,
            ImportStatus::Unchanged => self.unchanged += 1,
            ImportStatus::Refused => self.refused += 1,
        }
    }

    fn print(&self, output: Output) -> anyhow::Result<()> {
        let Self { lines, stored, unchanged, refused } = self;
        match output {
            Output::Json => writeln!(io::stdout(), "{}", serde_json::to_string(self)?)?,
            Output::Text => writeln!(io::stdout(), "{lines} lines: {stored} stored, {unchanged} unchanged, {refused} refused")?,
        }
        match refused {
            0 => Ok(()),
            _ => Err(WrongInput(format!("{refused} of {lines} lines are wrong and were not stored")).into()),
        }
    }
}

/// The report of what is refused, and a bar by bytes read once the import takes more than a second on a terminal.
struct Progress {
    started: Instant,
    size: Option<u64>,
    read: Arc<AtomicU64>,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn of(size: Option<u64>) -> Self {
        Self { started: Instant::now(), size, read: Arc::default(), bar: None }
    }

    fn after(&mut self, line: &ImportLine) {
        if self.bar.is_none() && io::stderr().is_terminal() && self.started.elapsed() > Duration::from_secs(1) {
            self.bar = Some(bar(self.size));
        }
        let report = || refusal_of(line).for_each(|text| eprintln!("{text}"));
        match &self.bar {
            Some(bar) => {
                bar.set_position(self.read.load(Ordering::Relaxed));
                if line.status == ImportStatus::Refused {
                    bar.suspend(report);
                }
            }
            None => report(),
        }
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(size: Option<u64>) -> ProgressBar {
    let (bar, template) = match size {
        Some(size) => (ProgressBar::new(size), "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}, {bytes_per_sec}"),
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the templates above are well formed"))
}

/// `line 3: /config_value/x/preferred_time: expected …`, a text for each field that is wrong.
fn refusal_of(line: &ImportLine) -> impl Iterator<Item = String> {
    let number = line.line;
    let whole = (line.status == ImportStatus::Refused && line.errors.is_empty())
        .then(|| format!("line {number}: {}", line.detail.as_deref().unwrap_or("refused")));
    let fields = line.errors.iter().map(move |field| match field.pointer.as_str() {
        "" => format!("line {number}: {}", field.detail),
        pointer => format!("line {number}: {pointer}: {}", field.detail),
    });
    whole.into_iter().chain(fields)
}
