//! `cohort export`: all preferences out of the Config Database, as an import reads them; or the
//! record out of the ledger.

mod csv_rows;
mod preferences;
mod record;
mod target;

use std::path::PathBuf;

use clap::Args;
use cohort_preferences::FeatureType;

use self::target::Target;
use crate::commands::import::Format;
use crate::config::Environment;
use crate::endpoint::{Access, EndpointArgs};
use crate::output::Output;

const EXAMPLE: &str = r#"Example:
  cohort export preferences.jsonl --data ./data
  cohort export --format csv --feature instagram_posts --data ./data > preferences.csv
  cohort export record.jsonl --outcomes --data ./data

Lines of JSON are whole documents, {"tenant_id","config_key","config_value"}; with --feature
{"tenant_id","feature_type","preference"}. `cohort import` reads both formats.

Tenants' own time zones and labels, keys and history are not exported: `cohort backup` has them.

With --json the summary is {"tenants","preferences","left_out"}; it stands on standard error if the
preferences themselves go to standard output.

With --outcomes each line is {"run"} or {"outcome"}, as `cohort runs` and `cohort outcomes` print
them, runs first; the summary is {"runs","outcomes"}."#;

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

impl Export {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let target = Target::of(&self.file)?;
        if self.outcomes {
            let endpoint = self.endpoint.connect_to_agent(environment, Access::Look).await?;
            return record::export(&endpoint, &target, output).await;
        }
        let endpoint = self.endpoint.connect(environment, Access::Look).await?;
        let format = self.format.unwrap_or_else(|| Format::of_name(&self.file));
        let feature = self.feature.as_ref().map(FeatureType::as_str);
        preferences::export(&endpoint, &target, format, feature, output).await
    }
}
