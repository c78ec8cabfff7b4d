//! `cohort import`: preferences as JSON Lines or CSV into the Config Database.
//!
//! ```text
//! FILE ─ source: from where it was left ─► POST …/import ─► results ─► progress: counted, reported
//!           ▲                                                   └─► state: FILE.cohort-progress
//!           └── the service went away, or this process did ◄────────────┘
//! ```
//!
//! A result says that its line is stored, so an import goes on behind the line of the last result.
//! A line that is sent twice changes nothing the second time: going on too early does no harm, and
//! going on too late cannot happen.

mod progress;
mod report;
mod source;
mod state;
mod summary;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use cohort_config_client::{ImportLine, ImportStatus};

use self::progress::BytesRead;
use self::report::Report;
pub(crate) use self::source::Format;
use self::source::Source;
use self::state::{Done, StateFile};
use self::summary::Summary;
use crate::config::Environment;
use crate::endpoint::{Access, Endpoint, EndpointArgs};
use crate::failure::is_wrong_input;
use crate::output::Output;

const EXAMPLE: &str = r#"Example:
  cohort import preferences.jsonl --data ./data
  cohort import preferences.csv --report refused.jsonl --data ./data

Each line of JSON is a document of one user, or one user's preference for one feature:
{"tenant_id":"ann","config_key":"feature_preferences","config_value":{"posts":{"enabled":false}}}
{"tenant_id":"bob","feature_type":"posts","preference":{"frequency":"daily"}}

CSV begins with a line of column names, in any order: tenant_id, feature_type, enabled, frequency,
preferred_time, preferred_day, timezone, template_overrides. An empty cell states nothing; several
weekdays are monday|friday:
tenant_id,feature_type,frequency,preferred_day,preferred_time,template_overrides
eve,posts,weekly,monday|friday,09:00,"{""tone"":""warm""}"

With --json the summary is {"lines","stored","unchanged","refused"}. The report has a line for each
line that is refused: {"line","tenant_id","detail","errors":[{"pointer","detail"}]}."#;

/// How many results come between two notes of how far the import is.
const RESULTS_A_NOTE: u64 = 10_000;

/// How many seconds to wait for a service that went away, each time that it does not answer; then
/// the import breaks off.
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

/// An import on its way.
struct Running<'a> {
    source: &'a Source,
    done: Done,
    file: Option<StateFile>,
    report: Report,
    progress: BytesRead,
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
        let mut sent = running.send(&endpoint).await;
        // Another endpoint is found each time: the folder may have another holder by then.
        drop(endpoint);
        let mut waits = WAITS.iter();
        while let Err(error) = sent {
            let Some(seconds) = waits.next().filter(|_| running.may_go_on(&error)) else {
                return Err(running.broken_off(error));
            };
            let line = running.done.line;
            running.progress.say(&format!(
                "broken off behind line {line}: {error:#}; trying again in {seconds} s"
            ));
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
            sent = match self.endpoint.connect(environment, Access::Change).await {
                Ok(endpoint) => running.send(&endpoint).await,
                Err(error) => Err(error),
            };
            if running.done.line > line {
                waits = WAITS.iter();
            }
        }
        running.end()?.print(output)
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
        let mut done = match &file {
            Some(file) if !self.restart => file.read(endpoint).await?.unwrap_or_default(),
            _ => Done::default(),
        };
        if done.line > 0 {
            eprintln!("going on behind line {}; --restart begins anew", done.line);
        } else {
            done.position = if file.is_some() { state::position_of(endpoint).await } else { None };
        }
        let report = Report::open(self.report.as_deref(), done.report_bytes)?;
        Ok(Running { source, done, file, report, progress: BytesRead::of(source.size()) })
    }
}

impl Running<'_> {
    /// Sends what is not done yet and counts the results, until all have come.
    async fn send(&mut self, endpoint: &Endpoint) -> anyhow::Result<()> {
        let rest = self.source.behind(self.done.line).await?;
        let (lines_before, kind) = (rest.lines_before, rest.kind);
        let read = self.progress.reading_from(rest.offset);
        let bytes = rest.bytes(read);
        let mut results = endpoint.post_lines("/preferences/import", kind, bytes).await?;
        while let Some(text) = results.next_line().await.context("the answer broke off")? {
            let mut result: ImportLine =
                serde_json::from_str(&text).context("the answer is no list of results")?;
            result.line += lines_before;
            if result.line > self.done.line {
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
        self.done.summary.count(result.status);
        self.done.line = result.line;
        if result.status == ImportStatus::Refused {
            self.done.report_bytes += self.report.refused(result, &self.progress)?;
        }
        self.progress.tick();
        if self.done.summary.lines.is_multiple_of(RESULTS_A_NOTE) {
            self.note();
        }
        Ok(())
    }

    /// Writes down how far it is; an import that cannot be noted is merely not resumed.
    fn note(&mut self) {
        let Some(file) = self.file.as_ref().filter(|_| self.done.position.is_some()) else {
            return;
        };
        let noted = self.report.flush().and_then(|()| file.write(&self.done));
        if let Err(error) = noted {
            self.progress.say(&format!("this import cannot be resumed: {error:#}"));
            self.file = None;
        }
    }

    /// A service that once gave results may come back; an input that is wrong stays so.
    fn may_go_on(&self, error: &anyhow::Error) -> bool {
        self.done.line > 0 && self.source.can_be_read_again() && !is_wrong_input(error)
    }

    fn broken_off(mut self, error: anyhow::Error) -> anyhow::Error {
        let line = self.done.line;
        if line == 0 {
            return error;
        }
        self.note();
        let how = if self.file.is_some() && self.done.position.is_some() {
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
        self.progress.finish();
        Ok(self.done.summary)
    }
}
