//! `cohort backup`: everything of a deployment, as of one moment, in a folder.

use std::path::PathBuf;

use clap::Args;
use cohort_batch_agent::CopyPurpose;
use serde_json::json;

use super::copy_args::DeploymentArgs;
use crate::config::Environment;
use crate::deployment::{Deployment, NewFolder};
use crate::output::Output;

const EXAMPLE: &str = r#"Example:
  cohort backup --data ./data /backups/2026-12-01
  cohort backup --database-url postgres://… --ledger-url postgres://… /backups/2026-12-01

The deployment may be at work meanwhile. The backup is a data folder, also of a deployment on
PostgreSQL, readable by its owner only: it holds the admin key and the secret of users' links.
When it is opened or restored it becomes another incarnation, and its agent holds until
`cohort recover` says how it goes on. A backup that breaks off leaves nothing.
With --json {"backup", "as_of", "rows", "config_rows", "ledger_rows", "bytes"} is printed."#;

/// Write everything of a deployment into a new folder, while it runs or stands still
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Backup {
    /// The new folder
    target: PathBuf,
    #[command(flatten)]
    deployment: DeploymentArgs,
}

impl Backup {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let deployment = self.deployment.read(environment)?;
        let folder = NewFolder::begin(&self.target)?;
        let target = Deployment::of_folder(folder.partial());
        let copied = deployment.copy_to(&target, |as_of| CopyPurpose::Backup { as_of }).await?;
        let bytes = size_of(&target)?;
        folder.finish()?;
        let mut report = copied.report();
        report["backup"] = json!(self.target.display().to_string());
        report["bytes"] = json!(bytes);
        output.print(&report, || {
            format!(
                "{}: {} rows in {} bytes, as of {}; `cohort restore {} --data DIR` puts it back",
                self.target.display(),
                copied.rows(),
                bytes,
                copied.as_of,
                self.target.display()
            )
        })
    }
}

fn size_of(target: &Deployment) -> anyhow::Result<u64> {
    let Some(folder) = &target.folder else { return Ok(0) };
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
