//! `cohort up`: the Config Database and the agent in one process, on the files of one folder.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use cohort_batch_agent::{
    AgentClock, Alteration, DynamicBatchScheduler, EnhancedBatchProcessor, JobRegistry, RegistryError, ScheduleError, Serving,
    SimulatedClock, SqliteLedger, StartReport, SystemClock,
};
use cohort_config_client::ConfigDatabaseClient;
use cohort_preferences::{BatchDocuments, Clock};
use tokio::sync::watch;

use crate::config::Environment;
use crate::failure::WrongInput;
use crate::lifecycle::{DataDir, admin_key};
use crate::purposes::{Handlers, read_documents, wrong_input};
use crate::services::{Address, open_config_service, open_ledger, registry_without_agent};
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
    /// Jobs and purposes to apply at the start, as `cohort apply` does; may be given more than once
    ///
    /// The files of the last start again are no act: what was applied since stays. Without this, what is stored is in force.
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
        let clock: Arc<dyn AgentClock> = Arc::new(SimulatedClock::starting_at(simulated.end));
        let config = open_config_service(held.path(), Arc::clone(&clock) as Arc<dyn Clock>, Some(simulated.reason())).await?;
        let key = admin_key(&held, &config).await?;
        let registry = registry_without_agent(open_ledger(held.path(), true)?, clock, environment.max_concurrent_items()?);
        let registry = registry.read_only(simulated.reason());
        let server = Address::take(environment.listen(self.listen)?, &key).await?.serve(config, registry);
        held.announce(server.address)?;
        self.say_where(server.address);
        println!("Simulated: {}.", simulated.reason());
        signals.next().await;
        server.stop().await
    }

    /// Serves a folder and does its work.
    async fn work(&self, environment: &Environment, signals: &mut Signals) -> anyhow::Result<()> {
        let clock: Arc<dyn AgentClock> = Arc::new(SystemClock);
        let documents = read_documents(&self.batch_config)?;
        let held = DataDir::lock(&self.data).await?;
        let config = open_config_service(held.path(), Arc::clone(&clock) as Arc<dyn Clock>, None).await?;
        let key = admin_key(&held, &config).await?;
        let ledger = open_ledger(held.path(), false)?;
        if !self.batch_config.is_empty() {
            self.apply(&documents, ledger.clone(), &clock, environment).await?;
        }
        let address = Address::take(environment.listen(self.listen)?, &key).await?;
        let processor = processor(address.client.clone(), ledger, clock, environment)?;
        let server = address.serve(config, JobRegistry::of_agent(&processor));
        let scheduler = start(&processor, environment).await?;
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

    /// Applies the batch config of this start, if it is another than that of the last.
    async fn apply(
        &self,
        documents: &BatchDocuments,
        ledger: SqliteLedger,
        clock: &Arc<dyn AgentClock>,
        environment: &Environment,
    ) -> anyhow::Result<()> {
        let serving = Serving::new(Arc::new(Handlers { clock: Arc::clone(clock) }), environment.max_concurrent_items()?);
        let registry = JobRegistry::new(Arc::new(ledger), Arc::clone(clock), serving);
        match registry.apply_at_start(documents, HOLDER).await {
            Ok(StartReport::Applied(report)) => {
                for change in report.changes.iter().filter(|change| change.change != Alteration::Unchanged) {
                    tracing::info!(name = change.name, version = change.version, change = ?change.change, "applied");
                }
            }
            Ok(StartReport::Known { in_force: true }) => {}
            Ok(StartReport::Known { in_force: false }) => tracing::warn!(
                "--batch-config is what the last start had, and other jobs or purposes were applied since: those stay; `cohort diff` \
                 shows the difference, `cohort apply` takes them back"
            ),
            Err(RegistryError::Ledger(error)) => return Err(error).context("cannot store the batch config"),
            Err(error) => {
                let files: Vec<_> = self.batch_config.iter().map(|file| file.display().to_string()).collect();
                return Err(WrongInput(format!("{}: {}", files.join(", "), wrong_input(error))).into());
            }
        }
        Ok(())
    }

    fn say_where(&self, address: SocketAddr) {
        println!("Cohort listens on http://{address}/api/v1; its key is in {}.", self.data.join("admin.key").display());
    }
}

/// The agent's processor.
fn processor(
    client: ConfigDatabaseClient,
    ledger: SqliteLedger,
    clock: Arc<dyn AgentClock>,
    environment: &Environment,
) -> anyhow::Result<EnhancedBatchProcessor> {
    let handlers = Arc::new(Handlers { clock: Arc::clone(&clock) });
    let builder = EnhancedBatchProcessor::builder(client, ledger).clock(clock).holder(HOLDER).stored_jobs(handlers);
    builder.max_concurrent_items(environment.max_concurrent_items()?).build().map_err(wrong_input)
}

/// The agent's scheduler, with its schedules read.
async fn start(processor: &EnhancedBatchProcessor, environment: &Environment) -> anyhow::Result<DynamicBatchScheduler> {
    // The folder is locked, so whoever held these chunks is gone.
    let taken_back = processor.take_back_claims().await.context("cannot read the ledger")?;
    if taken_back > 0 {
        tracing::warn!(chunks = taken_back, "work that was in hand when the last process ended is done again");
    }
    let scheduler = DynamicBatchScheduler::new(processor.clone(), environment.poll_interval()?);
    match scheduler.initialize_dynamic_schedules().await {
        Err(error @ (ScheduleError::Unresolved { .. } | ScheduleError::Unserved(_))) => Err(wrong_input(error)),
        started => {
            started.context("cannot read the groups")?;
            if scheduler.schedules().is_empty() {
                tracing::info!("no group is scheduled yet: preferences are kept, and nothing runs; `cohort jobs` lists the jobs");
            }
            Ok(scheduler)
        }
    }
}
