//! `cohort agent`: the agent as a service of its own, on a Config Database elsewhere.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cohort_batch_agent::{
    DynamicBatchScheduler, JobRegistry, KeyCheck, SystemClock, VerifiedKeys, agent_api,
    agent_health, agent_metrics,
};
use cohort_config_client::ConfigDatabaseClient;

use crate::agent::{self, GRACE_HELP, Holder, RETENTION_HELP, Working};
use crate::config::Environment;
use crate::failure::WrongInput;
use crate::purposes::read_documents;
use crate::services::{BASE, hold, open_ledger_at};
use crate::serving::{LISTEN_HELP, Listening, Signals};

const EXAMPLE: &str = "Example:
  CONFIG_SERVICE_URL=http://config-service:8000/api/v1 CONFIG_SERVICE_API_KEY=cohort_… \\
    cohort agent --ledger-url sqlite:///var/lib/cohort/ledger.db --batch-config batch.json

The key needs the scope agent. The folder of a ledger on SQLite is locked: it has one agent at a \
time.
Several agents share the work of one ledger on PostgreSQL; give them the same batch config.
While the Config Database does not answer, the agent waits for it, and /readyz says so.
SIGTERM or Ctrl-C stops it: calls that are open are finished within the grace, the rest
is done after the next start. A second signal stops it at once.";

const CONFIG_URL_HELP: &str = "The Config Database, such as http://config-service:8000/api/v1 \
    [default: CONFIG_SERVICE_URL]; its key is \
                               CONFIG_SERVICE_API_KEY";
const LEDGER_URL_HELP: &str =
    "sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE [default: COHORT_LEDGER_URL]";

const NAME_HELP: &str = "The deployment: in PostgreSQL its ledger has the schema NAME_ledger \
    [default: COHORT_NAME, or cohort]";

/// How long to wait before the Config Database is asked again at the start.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// The agent's name in the claims of its ledger, or what it begins with where there may be several.
const HOLDER: &str = "agent";

/// Run the agent alone, on a Config Database elsewhere
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct AgentCommand {
    #[arg(long, value_name = "URL", help = CONFIG_URL_HELP)]
    url: Option<String>,
    #[arg(long, value_name = "URL", help = LEDGER_URL_HELP)]
    ledger_url: Option<String>,
    #[arg(long, value_name = "NAME", help = NAME_HELP)]
    name: Option<String>,
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

impl AgentCommand {
    pub(crate) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let mut signals = Signals::listen()?;
        read_documents(&self.batch_config)?;
        let client = self.client(environment)?;
        let retention = environment.ledger_retention(self.ledger_retention.as_deref())?;
        let grace = environment.shutdown_grace(self.shutdown_grace.as_deref())?;
        let database = environment.ledger(self.ledger_url.as_deref(), self.name.as_deref())?;
        let held = hold(&database).await?;
        let holder =
            if held.is_some() { Holder::alone(HOLDER) } else { Holder::one_of_several(HOLDER) };
        let ledger = open_ledger_at(&database).await?;
        let parts =
            agent::Parts { ledger, clock: Arc::new(SystemClock), holder, environment, retention };
        parts.apply(&self.batch_config).await?;
        let processor = parts.processor(client.clone())?;
        let scheduler = parts.scheduler(&processor).await?;
        let listening = Listening::at(environment.listen(self.listen)?).await?;
        let address = listening.address;
        let keys: Arc<dyn KeyCheck> = Arc::new(VerifiedKeys::new(client));
        let api = agent_api(JobRegistry::of_agent(&processor), Arc::clone(&keys));
        let beside =
            agent_health(Arc::clone(&scheduler)).merge(agent_metrics(processor.clone(), keys));
        let server = listening.serve(axum::Router::new().nest(BASE, api).merge(beside));
        if let Some(held) = &held {
            held.announce(address)?;
        }
        println!("The agent listens at http://{address}{BASE}, its ledger is {database}.");
        tokio::select! {
            read = read_schedules(&scheduler) => read?,
            () = signals.next() => return server.stop().await,
        }
        let working = Working::begin(scheduler, processor, grace);
        signals.next().await;
        working.stop(&mut signals).await?;
        server.stop().await
    }

    fn client(&self, environment: &Environment) -> anyhow::Result<ConfigDatabaseClient> {
        let url = self.url.as_ref().or(environment.config_service_url.as_ref());
        let url = url.ok_or_else(|| {
            WrongInput(
                "where is the Config Database? Give --url URL, or set CONFIG_SERVICE_URL".into(),
            )
        })?;
        let key = environment.config_service_api_key.as_ref();
        let key = key.ok_or_else(|| {
            WrongInput("set CONFIG_SERVICE_API_KEY to a key of the scope agent".into())
        })?;
        let client = ConfigDatabaseClient::builder(url)
            .api_key(key)
            .poll_interval(environment.poll_interval()?);
        client.build().map_err(|error| WrongInput(error.to_string()).into())
    }
}

/// Reads the schedules, and waits for a Config Database that does not answer. A key that it refuses
/// is for people to mend.
async fn read_schedules(scheduler: &DynamicBatchScheduler) -> anyhow::Result<()> {
    loop {
        match agent::read_schedules(scheduler).await {
            Err(error) if is_away(&error) => {
                tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    "the Config Database does not answer yet; it is tried again"
                );
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            read => return read,
        }
    }
}

/// Whether the same start can succeed later without anybody changing anything.
fn is_away(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(cohort_batch_agent::SourceError::Unavailable(_)))
    })
}
