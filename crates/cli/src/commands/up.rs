//! `cohort up`: the Config Database and the agent in one process, on the files of one folder.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use cohort_batch_agent::{AgentClock, SimulatedClock, SystemClock};
use cohort_preferences::Clock;

use crate::agent::{AgentArgs, AgentSetup, Holder, PreparedAgent};
use crate::config::Environment;
use crate::failure::wrong_input;
use crate::lifecycle::{DataDir, admin_key};
use crate::services::{Address, Server, open_config_service, open_ledger, registry_without_agent};
use crate::serving::Signals;
use crate::simulated::Simulated;

const EXAMPLE: &str = "Example:
  cohort up --data ./data --batch-config batch.json

The folder is made if it is not there; its admin key is written to DIR/admin.key.
SIGTERM or Ctrl-C stops it: open calls are finished within the grace, the rest is done after the
next start. A second signal stops it at once.";

/// The agent's name in the claims of its ledger; a data folder has one agent at a time.
const HOLDER: &str = "embedded";

/// Run the Config Database and the agent on one folder
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Up {
    /// The folder that holds everything
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    agent: AgentArgs,
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
        let reason = simulated.reason();
        if self.agent.has_batch_config() {
            return Err(wrong_input(format!(
                "--batch-config: nothing runs in {}: {reason}",
                self.data.display()
            )));
        }
        let held = DataDir::lock(&self.data).await?;
        let clock: Arc<dyn AgentClock> = Arc::new(SimulatedClock::starting_at(simulated.end));
        let config_clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let config = open_config_service(held.path(), config_clock, Some(reason.clone())).await?;
        let key = admin_key(&held, &config).await?;
        let ledger = open_ledger(held.path(), true)?;
        let registry = registry_without_agent(ledger, clock, environment.max_concurrent_items()?);
        let address = Address::take(self.agent.listen(environment)?, &key).await?;
        let client = Arc::new(address.client.clone());
        let server = address.serve(config, registry.read_only(reason.clone()).asking(client));
        held.announce(server.address)?;
        self.say_where(server.address);
        println!("Simulated: {reason}.");
        signals.next().await;
        signals.unless_again(server.stop()).await
    }

    /// Serves a folder and does its work.
    async fn work(&self, environment: &Environment, signals: &mut Signals) -> anyhow::Result<()> {
        let started = signals.unless_ended(Box::pin(self.start(environment))).await?;
        // The folder is held until everything has ended.
        let Some((_held, agent, server)) = started else { return Ok(()) };
        agent.work(signals).await?;
        signals.unless_again(server.stop()).await
    }

    /// Serves a folder, whose agent does not work yet.
    async fn start(
        &self,
        environment: &Environment,
    ) -> anyhow::Result<(DataDir, PreparedAgent, Server)> {
        let settings = self.agent.settings(environment)?;
        let listen = settings.listen;
        let clock: Arc<dyn AgentClock> = Arc::new(SystemClock);
        let held = DataDir::lock(&self.data).await?;
        let config_clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let config = open_config_service(held.path(), config_clock, None).await?;
        let key = admin_key(&held, &config).await?;
        let ledger = open_ledger(held.path(), false)?;
        let setup = AgentSetup { ledger, clock, holder: Holder::alone(HOLDER), settings };
        setup.apply_batch_config().await?;

        let address = Address::take(listen, &key).await?;
        let agent = setup.prepare(address.client.clone()).await?;
        let server = address.serve(config, agent.registry());
        agent.read_schedules().await?;
        held.announce(server.address)?;
        self.say_where(server.address);
        Ok((held, agent, server))
    }

    fn say_where(&self, address: SocketAddr) {
        println!(
            "Cohort listens on http://{address}/api/v1; its key is in {}.",
            self.data.join("admin.key").display()
        );
    }
}
