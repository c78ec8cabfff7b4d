//! Which deployment a command copies.

use std::path::{Path, PathBuf};

use clap::Args;
use cohort_batch_agent::SystemClock;
use cohort_config_service::DatabaseAddress;
use cohort_preferences::Clock;
use jiff::SignedDuration;

use crate::config::Environment;
use crate::deployment::Deployment;
use crate::failure::wrong_input;
use crate::services::open_ledger_at;

/// An agent that has renewed within this time is at work.
const AT_WORK: SignedDuration = SignedDuration::from_secs(60);

/// What `--name` says of itself.
pub(super) const NAME_HELP: &str =
    "The deployment, whose schemas are NAME and NAME_ledger [default: COHORT_NAME, or cohort]";

/// A data folder, or both databases of a deployment.
#[derive(Args)]
pub(super) struct DeploymentArgs {
    /// The folder that holds everything
    #[arg(long, value_name = "DIR", conflicts_with_all = ["database_url", "ledger_url"])]
    data: Option<PathBuf>,
    #[arg(long, value_name = "URL", help = "The Config Database [default: DATABASE_URL]")]
    database_url: Option<String>,
    #[arg(long, value_name = "URL", help = "The ledger [default: COHORT_LEDGER_URL]")]
    ledger_url: Option<String>,
    #[arg(long, value_name = "NAME", help = NAME_HELP)]
    name: Option<String>,
}

impl DeploymentArgs {
    pub(super) fn read(&self, environment: &Environment) -> anyhow::Result<Deployment> {
        if let Some(folder) = &self.data {
            return Ok(Deployment::of_folder(folder));
        }
        let name = self.name.as_deref();
        Ok(Deployment {
            folder: None,
            config: environment.database(self.database_url.as_deref(), name)?,
            ledger: environment.ledger(self.ledger_url.as_deref(), name)?,
        })
    }
}

/// Reads a place: a folder, or a database of which a deployment has two schemas.
pub(super) fn deployment_at(
    place: &str,
    name: Option<&str>,
    environment: &Environment,
) -> anyhow::Result<Deployment> {
    if !place.starts_with("postgres://") && !place.starts_with("postgresql://") {
        return match place.split_once("://") {
            Some(_) => Err(wrong_input(
                "--from and --to: expected a data folder or postgres://USER:PASSWORD@HOST/DATABASE",
            )),
            None => Ok(Deployment::of_folder(Path::new(place))),
        };
    }
    Ok(Deployment {
        folder: None,
        config: environment.database(Some(place), name)?,
        ledger: environment.ledger(Some(place), name)?,
    })
}

/// Refuses to copy from a ledger whose agents still renew their sign of life.
pub(super) async fn refuse_agents_at_work(from: &Deployment) -> anyhow::Result<()> {
    if matches!(from.ledger, DatabaseAddress::Sqlite(_)) {
        return Ok(());
    }
    let ledger = open_ledger_at(&from.ledger).await?;
    let since = SystemClock.now().saturating_sub(AT_WORK)?;
    let agents: Vec<String> = ledger
        .agents()
        .await?
        .into_iter()
        .filter(|agent| agent.renewed_at > since)
        .map(|sign| sign.agent)
        .collect();
    if agents.is_empty() {
        return Ok(());
    }
    Err(wrong_input(format!(
        "--from: agents are at work on {}: {}. Stop them, and wait a minute",
        from.ledger,
        agents.join(", ")
    )))
}
