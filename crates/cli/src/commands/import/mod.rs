//! `cohort import`: preferences as JSON Lines or CSV into the Config Database.
//!
//! ```text
//! FILE ─ source: from where it was left ─► POST …/import ─► results ─► progress: counted, reported
//!           ▲                                                   └─► state: FILE.cohort-progress
//!           └── the service went away, or this process did ◄────────────┘
//! ```
//!
//! A result says that its line is stored, so the line of the last result is where to go on. Lines
//! that are sent twice say what is stored already: going on too early does no harm, and going on
//! too late cannot be.

mod progress;
mod source;
mod state;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use cohort_config_client::{ImportLine, ImportStatus};
use serde::{Deserialize, Serialize};

use self::progress::{Progress, Report};
pub(crate) use self::source::Format;
use self::source::Source;
use self::state::{Left, StateFile};
use crate::commands::Output;
use crate::config::Environment;
use crate::endpoint::{Access, Endpoint, EndpointArgs};
use crate::failure::WrongInput;

const EXAMPLE: &str = r#"Example:
  cohort import preferences.jsonl --data ./data
  cohort import preferences.csv --report refused.jsonl --data ./data

Each line of JSON is a document of one user, or one user's preference for one feature:
{"tenant_id":"user123","config_key":"feature_preferences","config_value":{"instagram_posts":{"frequency":"daily","preferred_time":"09:00"}}}
{"tenant_id":"user123","feature_type":"instagram_posts","preference":{"frequency":"weekly","preferred_day":"monday"}}

CSV begins with a line of column names, in any order: tenant_id, feature_type, enabled, frequency, preferred_time,
preferred_day, timezone, template_overrides. An empty cell states nothing; several weekdays are monday|friday:
tenant_id,feature_type,frequency,preferred_day,preferred_time,template_overrides
user123,instagram_posts,weekly,monday|friday,09:00,"{""tone"":""warm""}"

With --json the summary is {"lines","stored","unchanged","refused"}. The report has a line for each one refused:
{"line","tenant_id","detail","errors":[{"pointer","detail"}]}."#;

/// How many results come between two notes of how far the import is.
const RESULTS_A_NOTE: u64 = 10_000;

/// How long is waited for a service that went away, each time that it does not answer; then the
/// import breaks off.
const WAITS: [u64; 7] = [1, 2, 4, 8, 15, 15, 15];

/// Store preferences from JSON Lines or CSV
///
/// A line that is wrong is reported and not stored; the others are, and the exit code is then 2.
/// Importing the same file again does no harm. An import that broke off goes on where it was when
/// it is run again: until it is through, the file FILE.cohort-progress says how far it is.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Import {
    /// The file, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How the file is written [default: csv if its name ends so, else jsonl]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write what is refused to this file, not to standard error
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where the progress file stands [default: beside the file]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Begin at the first line, whatever was imported before
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// What became of the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Summary {
    lines: u64,
    stored: u64,
    unchanged: u64,
    refused: u64,
}

/// An import on its way.
struct Running<'a> {
    source: &'a Source,
    left: Left,
    file: Option<StateFile>,
    report: Report,
    progress: Progress,
}

impl Import {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let source = Source::open(&self.file, self.format)?;
        let endpoint = self.endpoint.connect(environment, Access::Change).await?;
        let mut running = self.begin(&source, &endpoint).await?;
        let mut endpoint = Some(endpoint);
        let mut waits = WAITS.iter();
        loop {
            let done = running.left.line;
            let ended = match endpoint.take() {
                Some(endpoint) => running.send(&endpoint).await,
                None => match self.endpoint.connect(environment, Access::Change).await {
                    Ok(endpoint) => running.send(&endpoint).await,
                    Err(error) => Err(error),
                },
            };
            let Err(error) = ended else { break };
            if running.left.line > done {
                waits = WAITS.iter();
            }
            let Some(seconds) = waits.next().filter(|_| running.may_go_on(&error)) else {
                return Err(running.broken_off(error));
            };
            running.progress.say(&format!(
                "broken off behind line {}: {error:#}; trying again in {seconds} s",
                running.left.line
            ));
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
        }
        let summary = running.end()?;
        summary.print(output)
    }

    /// Finds out where to begin, or to go on.
    async fn begin<'a>(
        &self,
        source: &'a Source,
        endpoint: &Endpoint,
    ) -> anyhow::Result<Running<'a>> {
        let file = source
            .fingerprint()?
            .map(|fingerprint| StateFile::of(&self.file, self.state.as_deref(), fingerprint))
            .transpose()?;
        let mut left = match &file {
            Some(file) if !self.restart => file.read(endpoint).await?.unwrap_or_default(),
            _ => Left::default(),
        };
        if left.line > 0 {
            eprintln!("going on behind line {}; --restart begins anew", left.line);
        } else {
            left.position = if file.is_some() { state::position_of(endpoint).await } else { None };
        }
        let report = Report::open(self.report.as_deref(), left.report_bytes)?;
        Ok(Running { source, left, file, report, progress: Progress::of(source.size()) })
    }
}

impl Running<'_> {
    /// Sends what is left and counts the results, until all have come.
    async fn send(&mut self, endpoint: &Endpoint) -> anyhow::Result<()> {
        let rest = self.source.behind(self.left.line).await?;
        let (lines_before, kind) = (rest.lines_before, rest.kind);
        let read = self.progress.reading_from(rest.offset);
        let bytes = rest.bytes(read);
        let mut results = endpoint.post_lines("/preferences/import", kind, bytes).await?;
        while let Some(text) = results.next_line().await.context("the answer broke off")? {
            let mut result: ImportLine =
                serde_json::from_str(&text).context("the answer is no list of results")?;
            result.line += lines_before;
            if result.line > self.left.line {
                self.take(&result)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, result: &ImportLine) -> anyhow::Result<()> {
        if result.status == ImportStatus::Failed {
            anyhow::bail!(
                "line {} could not be stored: {}",
                result.line,
                result.detail.as_deref().unwrap_or("no cause is given")
            );
        }
        self.left.summary.count(result.status);
        self.left.line = result.line;
        if result.status == ImportStatus::Refused {
            self.left.report_bytes += self.report.refused(result, &self.progress)?;
        }
        self.progress.tick();
        if self.left.summary.lines.is_multiple_of(RESULTS_A_NOTE) {
            self.note();
        }
        Ok(())
    }

    /// Writes down how far it is; an import that cannot be noted is merely not resumed.
    fn note(&mut self) {
        let Some(file) = self.file.as_ref().filter(|_| self.left.position.is_some()) else {
            return;
        };
        let noted = self.report.flush().and_then(|()| file.write(&self.left));
        if let Err(error) = noted {
            self.progress.say(&format!("this import cannot be resumed: {error:#}"));
            self.file = None;
        }
    }

    /// A service that once gave results may come back; an input that is wrong stays so.
    fn may_go_on(&self, error: &anyhow::Error) -> bool {
        self.left.line > 0 && self.source.can_be_read_again() && !error.is::<WrongInput>()
    }

    fn broken_off(mut self, error: anyhow::Error) -> anyhow::Error {
        let line = self.left.line;
        if line == 0 {
            return error;
        }
        self.note();
        let how = if self.file.is_some() && self.left.position.is_some() {
            "goes on behind it"
        } else {
            "does no harm"
        };
        error.context(format!(
            "the import broke off; it is stored up to line {line}, and importing again {how}"
        ))
    }

    fn end(mut self) -> anyhow::Result<Summary> {
        self.report.flush()?;
        if let Some(file) = &self.file {
            file.remove()?;
        }
        self.progress.end();
        Ok(self.left.summary)
    }
}

impl Summary {
    fn count(&mut self, status: ImportStatus) {
        self.lines += 1;
        match status {
            ImportStatus::Stored => self.stored += 1,
            ImportStatus::Unchanged => self.unchanged += 1,
            ImportStatus::Refused | ImportStatus::Failed => self.refused += 1,
        }
    }

    fn print(&self, output: Output) -> anyhow::Result<()> {
        let Self { lines, stored, unchanged, refused } = self;
        match output {
            Output::Json => writeln!(io::stdout(), "{}", serde_json::to_string(self)?)?,
            Output::Text => writeln!(
                io::stdout(),
                "{lines} lines: {stored} stored, {unchanged} unchanged, {refused} refused"
            )?,
        }
        match refused {
            0 => Ok(()),
            _ => {
                Err(WrongInput(format!("{refused} of {lines} lines are wrong and were not stored"))
                    .into())
            }
        }
    }
}
