//! `cohort up`: the Config Database and the agent in one process, on the files of one folder.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use cohort_batch_agent::{
    AgentClock, DynamicBatchScheduler, EnhancedBatchProcessor, ScheduleError, SimulatedClock, SqliteLedger, SystemClock,
};
use cohort_config_client::ConfigDatabaseClient;
use cohort_preferences::Clock;
use tokio::sync::watch;

use crate::config::Environment;
use crate::failure::WrongInput;
use crate::lifecycle::{DataDir, admin_key};
use crate::purposes::{Jobs, wrong_input};
use crate::services::{Server, open_config_service, open_ledger};
use crate::serving::{LISTEN_HELP, Signals};
use crate::simulated::Simulated;

const EXAMPLE: &str = "Example:
  cohort up --data ./data --batch-config batch.json

The folder is made if it is not there; its admin key is written to DIR/admin.key.
SIGTERM or Ctrl-C stops it: calls that are open are finished within 25 seconds, the rest
is done after the next start. A second signal stops it at once.";

/// The agent's name in the claims of its ledger; a data folder has one agent at a time.
const HOLDER: &str = "embedded";

/// How long work in hand may take after SIGTERM (F6).
const SHUTDOWN_GRACE: Duration = Duration::from_secs(25);

/// Run the Config Database and the agent on one folder
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Up {
    /// The folder that holds everything
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[arg(long, value_name = "ADDRESS", help = LISTEN_HELP)]
    listen: Option<SocketAddr>,
    /// Jobs and purposes; may be given more than once
    #[arg(long, value_name = "FILE")]
    batch_config: Vec<PathBuf>,
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
    async fn show(&self, simulated: Simulated, environment: &Environment, signals: &mut Signals) -> anyhow::Result<()> {
        if !self.batch_config.is_empty() {
            let text = format!("--batch-config: nothing runs in {}: {}", self.data.display(), simulated.reason());
            return Err(WrongInput(text).into());
        }
        let held = DataDir::lock(&self.data).await?;
        let clock = Arc::new(SimulatedClock::starting_at(simulated.end));
        let config = open_config_service(held.path(), clock, Some(simulated.reason())).await?;
        let key = admin_key(&held, &config).await?;
        let server = Server::start(config, open_ledger(held.path(), true)?, environment.listen(self.listen)?, &key).await?;
        held.announce(server.address)?;
        self.say_where(server.address);
        println!("Simulated: {}.", simulated.reason());
        signals.next().await;
        server.stop().await
    }

    /// Serves a folder and does its work.
    async fn work(&self, environment: &Environment, signals: &mut Signals) -> anyhow::Result<()> {
        let clock: Arc<dyn AgentClock> = Arc::new(SystemClock);
        let jobs = Jobs::read(&self.batch_config, &clock)?;
        let held = DataDir::lock(&self.data).await?;
        let config = open_config_service(held.path(), Arc::clone(&clock) as Arc<dyn Clock>, None).await?;
        let key = admin_key(&held, &config).await?;
        let ledger = open_ledger(held.path(), false)?;
        let server = Server::start(config, ledger.clone(), environment.listen(self.listen)?, &key).await?;
        let (scheduler, processor) = agent(server.client.clone(), ledger, jobs, clock, environment).await?;
        held.announce(server.address)?;
        self.say_where(server.address);
        let (stop, stopped) = watch::channel(false);
        let working = tokio::spawn(async move { tokio::join!(scheduler.run(stopped.clone()), processor.run(stopped, SHUTDOWN_GRACE)) });
        signals.next().await;
        tracing::info!("stopping: work in hand is finished, the rest is done after the next start");
        stop.send_replace(true);
        tokio::select! {
            done = working => { done.context("the agent broke down")?; }
            () = signals.next() => anyhow::bail!("stopped at once; work in hand is done again after the next start"),
        }
        server.stop().await
    }

    fn say_where(&self, address: SocketAddr) {
        println!("Cohort listens on http://{address}/api/v1; its key is in {}.", self.data.join("admin.key").display());
        if self.batch_config.is_empty() && std::io::stdout().is_terminal() {
            println!("No --batch-config is given: preferences are kept, and nothing runs.");
        }
    }
}

/// The agent with its schedules read.
async fn agent(
    client: ConfigDatabaseClient,
    ledger: SqliteLedger,
    jobs: Jobs,
    clock: Arc<dyn AgentClock>,
    environment: &Environment,
) -> anyhow::Result<(DynamicBatchScheduler, EnhancedBatchProcessor)> {
    let mut builder = EnhancedBatchProcessor::builder(client, ledger).clock(clock).holder(HOLDER).jobs(jobs.jobs);
    builder = builder.max_concurrent_items(environment.max_concurrent_items()?);
    for (id, purpose) in jobs.handlers {
        builder = builder.limited_handler(id, purpose.handler, purpose.max_concurrency);
    }
    let processor = builder.build().map_err(wrong_input)?;
    // The folder is locked, so whoever held these chunks is gone.
    let taken_back = processor.take_back_claims().await.context("cannot read the ledger")?;
    if taken_back > 0 {
        tracing::warn!(chunks = taken_back, "work that was in hand when the last process ended is done again");
    }
    let scheduler = DynamicBatchScheduler::new(processor.clone(), environment.poll_interval()?);
    match scheduler.initialize_dynamic_schedules().await {
        Err(error @ ScheduleError::Unresolved { .. }) => Err(wrong_input(error)),
        started => {
            started.context("cannot read the groups")?;
            Ok((scheduler, processor))
        }
    }
}
