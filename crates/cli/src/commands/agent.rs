//! `cohort agent`: the agent as a service of its own, on a Config Database elsewhere.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Args;
use cohort_batch_agent::{
    KeyCheck, SourceError, SystemClock, VerifiedKeys, agent_api, agent_health, agent_metrics,
};
use cohort_config_client::ConfigDatabaseClient;

use crate::agent::{AgentArgs, AgentSetup, Holder, PreparedAgent};
use crate::config::Environment;
use crate::failure::wrong_input;
use crate::services::{BASE, hold, open_ledger_at};
use crate::serving::{Listening, Signals};

const EXAMPLE: &str = "Example:
  CONFIG_SERVICE_URL=http://config-service:8000/api/v1 CONFIG_SERVICE_API_KEY=cohort_… \\
    cohort agent --ledger-url sqlite:///var/lib/cohort/ledger.db --batch-config batch.json

The key needs the scope agent. The folder of a ledger on SQLite is locked: it has one agent at a
time. Several agents share the work of one ledger on PostgreSQL; give them the same batch config.
While the Config Database does not answer, the agent waits for it, and /readyz says so.
SIGTERM or Ctrl-C stops it: open calls are finished within the grace, the rest is done after the
next start. A second signal stops it at once.";

const CONFIG_URL_HELP: &str = "The Config Database, such as http://config-service:8000/api/v1 \
    [default: CONFIG_SERVICE_URL]; its key is CONFIG_SERVICE_API_KEY";

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
    #[command(flatten)]
    agent: AgentArgs,
}

impl AgentCommand {
    pub(crate) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let mut signals = Signals::listen()?;
        let settings = self.agent.settings(environment)?;
        let client = self.client(environment)?;
        let database = environment.ledger(self.ledger_url.as_deref(), self.name.as_deref())?;
        let held = hold(&database).await?;
        let holder =
            if held.is_some() { Holder::alone(HOLDER) } else { Holder::one_of_several(HOLDER) };
        let listen = settings.listen;
        let preparing = async {
            let ledger = open_ledger_at(&database).await?;
            let setup = AgentSetup { ledger, clock: Arc::new(SystemClock), holder, settings };
            setup.apply_batch_config().await?;
            setup.prepare(client.clone()).await
        };
        let Some(agent) = signals.unless_ended(Box::pin(preparing)).await? else { return Ok(()) };

        let listening = Listening::at(listen).await?;
        let address = listening.address;
        let server = listening.serve(routes(&agent, client));
        if let Some(held) = &held {
            held.announce(address)?;
        }
        println!("The agent listens at http://{address}{BASE}, its ledger is {database}.");
        tokio::select! {
            read = read_schedules(&agent) => read?,
            () = signals.next() => return signals.unless_again(server.stop()).await,
        }
        agent.work(&mut signals).await?;
        signals.unless_again(server.stop()).await
    }

    fn client(&self, environment: &Environment) -> anyhow::Result<ConfigDatabaseClient> {
        let url = self.url.as_ref().or(environment.config_service_url.as_ref());
        let url = url.ok_or_else(|| {
            wrong_input("where is the Config Database? Give --url URL, or set CONFIG_SERVICE_URL")
        })?;
        let key = environment
            .config_service_api_key
            .as_ref()
            .ok_or_else(|| wrong_input("set CONFIG_SERVICE_API_KEY to a key of the scope agent"))?;
        ConfigDatabaseClient::builder(url)
            .api_key(key)
            .poll_interval(environment.poll_interval()?)
            .build()
            .map_err(|error| wrong_input(error.to_string()))
    }
}

/// Returns the routes of an agent that has its process to itself.
fn routes(agent: &PreparedAgent, client: ConfigDatabaseClient) -> Router {
    let keys: Arc<dyn KeyCheck> = Arc::new(VerifiedKeys::new(client));
    let api = agent_api(agent.registry(), Arc::clone(&keys));
    Router::new()
        .nest(BASE, api)
        .merge(agent_health(Arc::clone(&agent.scheduler)))
        .merge(agent_metrics(agent.processor.clone(), keys))
}

/// Reads the schedules, and waits for a Config Database that does not answer. A key that it refuses
/// is for people to mend.
async fn read_schedules(agent: &PreparedAgent) -> anyhow::Result<()> {
    loop {
        match agent.read_schedules().await {
            Err(error) if is_away(&error) => {
                tracing::warn!(
                    error = &*error as &dyn std::error::Error,
                    retry_in = ?BETWEEN_TRIES,
                    "the Config Database does not answer yet"
                );
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            read => return read,
        }
    }
}

/// Returns whether the same start can succeed later without anybody changing anything.
fn is_away(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(SourceError::Unavailable(_))))
}
