//! `cohort export`: all preferences out of the Config Database, as an import reads them; or the
//! record out of the ledger.

mod csv_rows;
mod record;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use cohort_preferences::{FEATURE_PREFERENCES, FeatureType};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::csv_rows::CsvRows;
use crate::commands::Output;
use crate::commands::import::Format;
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs};

const EXAMPLE: &str = r#"Example:
  cohort export preferences.jsonl --data ./data
  cohort export --format csv --feature instagram_posts --data ./data > preferences.csv
  cohort export record.jsonl --outcomes --data ./data

Lines of JSON are whole documents, {"tenant_id","config_key","config_value"}; with --feature
{"tenant_id","feature_type","preference"}. `cohort import` reads both formats.

With --json the summary is {"tenants","preferences","left_out"}; it stands on standard error if the
preferences themselves go to standard output.

With --outcomes each line is {"run"} or {"outcome"}, as `cohort runs` and `cohort outcomes` print them, runs first;
the summary is {"runs","outcomes"}."#;

/// Write all preferences, or all runs and outcomes, to a file or to standard output
///
/// CSV has no column for `anchor_date`, `cron`, `snoozed_until` and `skip_next`: a preference with
/// one of them is left out and named on standard error, and the exit code is then 1.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Export {
    /// The file, or - for standard output; a file appears when it is whole
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// How it is written [default: csv if the file's name ends so, else jsonl]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only preferences for this feature
    #[arg(long, value_name = "FEATURE")]
    feature: Option<FeatureType>,
    /// Runs and outcomes instead of preferences
    #[arg(long, conflicts_with_all = ["format", "feature"])]
    outcomes: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// One tenant's document, as the service sends it.
#[derive(Deserialize, Serialize)]
struct Document {
    tenant_id: String,
    config_key: String,
    config_value: Map<String, Value>,
}

/// What was written.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    tenants: u64,
    preferences: u64,
    left_out: u64,
}

/// Where preferences are written, in which form.
enum Writer<W: Write> {
    Documents(W),
    /// Of one feature.
    Preferences(W),
    Csv(Box<CsvRows<W>>),
}

impl Export {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        if self.outcomes {
            let endpoint = self.endpoint.connect_to_agent(environment, Access::Look).await?;
            return record::export(&endpoint, &Target::of(&self.file)?, output).await;
        }
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let mut documents =
            endpoint.get_lines(&format!("/configs/{FEATURE_PREFERENCES}/all-tenants")).await?;
        let target = Target::of(&self.file)?;
        let mut writer = self.writer(target.open()?)?;
        let (mut summary, bar) = (Summary::default(), bar(target.is_terminal(), "users"));
        while let Some(line) = documents.next_line().await.context("the answer broke off")? {
            let document: Document =
                serde_json::from_str(&line).context("the answer is no list of documents")?;
            writer.write(self.of_feature(document), &mut summary)?;
            bar.count(summary.tenants);
        }
        writer.finish()?;
        bar.end();
        target.keep()?;
        summary.print(output, target.is_stdout())
    }

    fn writer(&self, target: Box<dyn Write>) -> anyhow::Result<Writer<Box<dyn Write>>> {
        Ok(match (self.format.unwrap_or_else(|| Format::of_name(&self.file)), &self.feature) {
            (Format::Csv, _) => Writer::Csv(Box::new(CsvRows::begin(target)?)),
            (Format::Jsonl, Some(_)) => Writer::Preferences(target),
            (Format::Jsonl, None) => Writer::Documents(target),
        })
    }

    /// What of a document is asked for.
    fn of_feature(&self, mut document: Document) -> Document {
        if let Some(feature) = &self.feature {
            document.config_value.retain(|name, _| name == feature.as_str());
        }
        document
    }
}

impl<W: Write> Writer<W> {
    fn write(&mut self, document: Document, summary: &mut Summary) -> anyhow::Result<()> {
        if document.config_value.is_empty() {
            return Ok(());
        }
        summary.tenants += 1;
        if let Self::Documents(target) = self {
            summary.preferences += document.config_value.len() as u64;
            return write_line(target, &document);
        }
        for (feature, preference) in &document.config_value {
            if self.write_one(&document.tenant_id, feature, preference)? {
                summary.preferences += 1;
            } else {
                summary.left_out += 1;
            }
        }
        Ok(())
    }

    /// Writes a preference on its own; says whether that was possible.
    fn write_one(
        &mut self,
        tenant: &str,
        feature: &str,
        preference: &Value,
    ) -> anyhow::Result<bool> {
        match self {
            Self::Csv(rows) => rows.write(tenant, feature, preference),
            Self::Documents(target) | Self::Preferences(target) => {
                write_line(
                    target,
                    &json!({"tenant_id": tenant, "feature_type": feature,
                        "preference": preference}),
                )?;
                Ok(true)
            }
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Csv(rows) => rows.finish(),
            Self::Documents(mut target) | Self::Preferences(mut target) => Ok(target.flush()?),
        }
    }
}

fn write_line(target: &mut impl Write, value: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(target.write_all(&line)?)
}

impl Summary {
    fn print(&self, output: Output, is_taken: bool) -> anyhow::Result<()> {
        let Self { tenants, preferences, left_out } = self;
        let text = match output {
            Output::Json => serde_json::to_string(self)?,
            Output::Text => format!("{tenants} users, {preferences} preferences"),
        };
        print_summary(&text, is_taken)?;
        anyhow::ensure!(
            *left_out == 0,
            "{left_out} preferences were left out: CSV has no column for what they say; jsonl has"
        );
        Ok(())
    }
}

/// Says on standard output what was written, or on standard error if that went to standard output
/// itself.
fn print_summary(text: &str, is_taken: bool) -> io::Result<()> {
    if is_taken { writeln!(io::stderr(), "{text}") } else { writeln!(io::stdout(), "{text}") }
}

/// Where the export goes.
enum Target {
    Stdout,
    /// Written beside its place and put there when it is whole.
    File {
        place: PathBuf,
        part: PathBuf,
    },
}

impl Target {
    fn of(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        let name =
            path.file_name().with_context(|| format!("{} is no name of a file", path.display()))?;
        let mut part = name.to_owned();
        part.push(".part");
        Ok(Self::File { place: path.into(), part: path.with_file_name(part) })
    }

    fn open(&self) -> anyhow::Result<Box<dyn Write>> {
        Ok(match self {
            Self::Stdout => Box::new(BufWriter::new(io::stdout())),
            Self::File { part, .. } => {
                let file = File::create(part)
                    .with_context(|| format!("cannot write {}", part.display()))?;
                Box::new(BufWriter::new(file))
            }
        })
    }

    fn keep(&self) -> anyhow::Result<()> {
        match self {
            Self::Stdout => Ok(()),
            Self::File { place, part } => std::fs::rename(part, place)
                .with_context(|| format!("cannot write {}", place.display())),
        }
    }

    fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout)
    }

    fn is_terminal(&self) -> bool {
        self.is_stdout() && io::stdout().is_terminal()
    }
}

/// How much is written, on a terminal that shows nothing else.
struct Bar(Option<ProgressBar>);

fn bar(is_taken: bool, unit: &str) -> Bar {
    if is_taken || !io::stderr().is_terminal() {
        return Bar(None);
    }
    let style =
        ProgressStyle::with_template(&format!("{{spinner}} {{human_pos}} {unit}, {{per_sec}}"))
            .expect("a well-formed template");
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(Duration::from_millis(100));
    Bar(Some(bar))
}

impl Bar {
    fn count(&self, written: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(written);
        }
    }

    fn end(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}
