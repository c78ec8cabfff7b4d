//! `cohort restore`: puts a backup back.

use std::path::PathBuf;

use clap::Args;
use cohort_batch_agent::CopyPurpose;
use serde_json::json;

use super::copy_args::DeploymentArgs;
use crate::config::Environment;
use crate::deployment::{Deployment, NewFolder};
use crate::failure::wrong_input;
use crate::output::Output;

const EXAMPLE: &str = r#"Example:
  cohort restore /backups/2026-12-01 --data ./data
  cohort restore /backups/2026-12-01 --database-url postgres://… --ledger-url postgres://…

The backup is checked first. The target must be new: a folder that is not there or empty, schemas
without rows. Its agent holds, and shows what fell due since, until `cohort recover --rerun` or
`cohort recover --mark-missed` says how it goes on.
With --json {"restored", "rows", "config_rows", "ledger_rows"} is printed."#;

/// Put a backup back, into a new folder or into PostgreSQL
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Restore {
    /// The folder that `cohort backup` has written
    backup: PathBuf,
    #[command(flatten)]
    deployment: DeploymentArgs,
}

impl Restore {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let backup = Deployment::of_folder(&self.backup);
        if !self.backup.is_dir() {
            return Err(wrong_input(format!("{}: there is no backup", self.backup.display())));
        }
        let target = self.deployment.read(environment)?;
        backup.verify().await?;
        let copied = match &target.folder {
            Some(path) => {
                let folder = NewFolder::begin(path)?;
                let partial = Deployment::of_folder(folder.partial());
                let copied = backup.copy_to(&partial, |_| CopyPurpose::Restore).await?;
                folder.finish()?;
                copied
            }
            None => backup.copy_to(&target, |_| CopyPurpose::Restore).await?,
        };
        let mut report = copied.report();
        report["restored"] = json!(self.backup.display().to_string());
        if let Some(report) = report.as_object_mut() {
            report.remove("as_of");
        }
        output.print(&report, || {
            format!(
                "{} is restored: {} rows. Start it: its agent holds until `cohort recover` says \
                 how it goes on",
                self.backup.display(),
                copied.rows()
            )
        })
    }
}
