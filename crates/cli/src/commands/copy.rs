//! `cohort copy`: moves a deployment, from SQLite to PostgreSQL and back.

use clap::Args;
use cohort_batch_agent::CopyPurpose;
use serde_json::json;

use super::copy_args::{NAME_HELP, deployment_at, refuse_agents_at_work};
use crate::config::Environment;
use crate::deployment::{Deployment, NewFolder, hold};
use crate::failure::wrong_input;
use crate::output::Output;

const EXAMPLE: &str = r#"Example:
  cohort copy --from ./data --to postgres://cohort@db.example/cohort
  cohort copy --from postgres://cohort@db.example/cohort --to ./data

Everything goes: documents and history, tenants with zones and labels, keys, the links' secret,
definitions, runs and outcomes. Stop the deployment first, and start the copy only: both would do
the same work. On PostgreSQL the schemas are NAME and NAME_ledger. The target must be new.
With --json {"copied", "rows", "config_rows", "ledger_rows"} is printed."#;

/// Move a whole deployment, between a folder and PostgreSQL or either alone
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Copy {
    /// A data folder, or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, value_name = "PLACE")]
    from: String,
    /// A new data folder, or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, value_name = "PLACE")]
    to: String,
    #[arg(long, value_name = "NAME", help = NAME_HELP)]
    name: Option<String>,
    /// Its name at the target, if it gets another
    #[arg(long, value_name = "NAME")]
    to_name: Option<String>,
}

impl Copy {
    pub(crate) async fn run(
        &self,
        environment: &Environment,
        output: Output,
    ) -> anyhow::Result<()> {
        let name = self.name.as_deref();
        let from = deployment_at(&self.from, name, environment)?;
        let to = deployment_at(&self.to, self.to_name.as_deref().or(name), environment)?;
        if let Some(folder) = from.folder.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(wrong_input(format!("--from: there is no folder {}", folder.display())));
        }
        let _held = hold(&from).await?;
        refuse_agents_at_work(&from).await?;
        let copied = match &to.folder {
            Some(path) => {
                let folder = NewFolder::begin(path)?;
                let partial = Deployment::of_folder(folder.partial());
                let copied = from.copy_to(&partial, |_| CopyPurpose::Move).await?;
                folder.finish()?;
                copied
            }
            None => from.copy_to(&to, |_| CopyPurpose::Move).await?,
        };
        let place = format!("{} and {}", to.config, to.ledger);
        let mut report = copied.report();
        report["copied"] = json!(place);
        output.print(&report, || {
            format!("copied {} rows to {place}; start the copy, and not the old one", copied.rows())
        })
    }
}
