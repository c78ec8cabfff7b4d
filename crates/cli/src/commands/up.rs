//! `cohort up`: the Config Database and the agent in one process, on the files of one folder.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use cohort_batch_agent::{AgentClock, JobRegistry, SimulatedClock, SystemClock};
use cohort_preferences::Clock;

use crate::agent::{self, GRACE_HELP, Holder, RETENTION_HELP, Working};
use crate::config::Environment;
use crate::failure::WrongInput;
use crate::lifecycle::{DataDir, admin_key};
use crate::purposes::read_documents;
use crate::services::{Address, open_config_service, open_ledger, registry_without_agent};
use crate::serving::{LISTEN_HELP, Signals};
use crate::simulated::Simulated;

const EXAMPLE: &str = "Example:
  cohort up --data ./data --batch-config batch.json

The folder is made if it is not there; its admin key is written to DIR/admin.key.
SIGTERM or Ctrl-C stops it: calls that are open are finished within the grace, the rest
is done after the next start. A second signal stops it at once.";

/// The agent's name in the claims of its ledger; a data folder has one agent at a time.
const HOLDER: &str = "embedded";

/// Run the Config Database and the agent on one folder
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Up {
    /// The folder that holds everything
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[arg(long, value_name = "ADDRESS", help = LISTEN_HELP)]
    listen: Option<SocketAddr>,
    /// Jobs and purposes to apply at the start, as `cohort apply` does; may be given more than once
    ///
    /// The files of the last start again are no act: what was applied since stays. Without this,
    /// what is stored is in force.
    #[arg(long, value_name = "FILE")]
    batch_config: Vec<PathBuf>,
    #[arg(long, value_name = "DAYS", help = RETENTION_HELP)]
    ledger_retention: Option<String>,
    #[arg(long, value_name = "DURATION", help = GRACE_HELP)]
    shutdown_grace: Option<String>,
}

impl Up {
    pub(crate) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let mut signals = Signals::listen()?;
        match Simulated::read(&self.data)? {
            Some(simulated) => self.show(simulated, environment, &mut signals).await,
            None => self.work(environment, &mut signals).await,
        }
    }

    /// Serves a simulated folder as it ended.
    async fn show(
        &self,
        simulated: Simulated,
        environment: &Environment,
        signals: &mut Signals,
    ) -> anyhow::Result<()> {
        if !self.batch_config.is_empty() {
            let text = format!(
                "--batch-config: nothing runs in {}: {}",
                self.data.display(),
                simulated.reason()
            );
            return Err(WrongInput(text).into());
        }
        let held = DataDir::lock(&self.data).await?;
        let clock: Arc<dyn AgentClock> = Arc::new(SimulatedClock::starting_at(simulated.end));
        let config = open_config_service(
            held.path(),
            Arc::clone(&clock) as Arc<dyn Clock>,
            Some(simulated.reason()),
        )
        .await?;
        let key = admin_key(&held, &config).await?;
        let registry = registry_without_agent(
            open_ledger(held.path(), true)?,
            clock,
            environment.max_concurrent_items()?,
        );
        let address = Address::take(environment.listen(self.listen)?, &key).await?;
        let registry =
            registry.read_only(simulated.reason()).asking(Arc::new(address.client.clone()));
        let server = address.serve(config, registry);
        held.announce(server.address)?;
        self.say_where(server.address);
        println!("Simulated: {}.", simulated.reason());
        signals.next().await;
        server.stop().await
    }

    /// Serves a folder and does its work.
    async fn work(&self, environment: &Environment, signals: &mut Signals) -> anyhow::Result<()> {
        let clock: Arc<dyn AgentClock> = Arc::new(SystemClock);
        read_documents(&self.batch_config)?;
        let retention = environment.ledger_retention(self.ledger_retention.as_deref())?;
        let grace = environment.shutdown_grace(self.shutdown_grace.as_deref())?;
        let held = DataDir::lock(&self.data).await?;
        let config =
            open_config_service(held.path(), Arc::clone(&clock) as Arc<dyn Clock>, None).await?;
        let key = admin_key(&held, &config).await?;
        let parts = agent::Parts {
            ledger: open_ledger(held.path(), false)?,
            clock,
            holder: Holder::alone(HOLDER),
            environment,
            retention,
        };
        parts.apply(&self.batch_config).await?;
        let address = Address::take(environment.listen(self.listen)?, &key).await?;
        let processor = parts.processor(address.client.clone())?;
        let server = address.serve(config, JobRegistry::of_agent(&processor));
        let scheduler = parts.scheduler(&processor).await?;
        agent::read_schedules(&scheduler).await?;
        held.announce(server.address)?;
        self.say_where(server.address);
        let working = Working::begin(scheduler, processor, grace);
        signals.next().await;
        working.stop(signals).await?;
        server.stop().await
    }

    fn say_where(&self, address: SocketAddr) {
        println!(
            "Cohort listens on http://{address}/api/v1; its key is in {}.",
            self.data.join("admin.key").display()
        );
    }
}
