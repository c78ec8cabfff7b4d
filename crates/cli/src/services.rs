//! The services of one data folder in this process: the Config Database, the ledger, and one HTTP server for both.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use axum::serve::ListenerExt;
use cohort_batch_agent::{KeyCheck, Ledger, SourceError, SqliteLedger, VerifiedKeys, agent_api};
use cohort_config_client::ConfigDatabaseClient;
use cohort_config_service::{ConfigService, ConfigServiceOptions, unknown_route};
use cohort_preferences::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The Config Database of a data folder.
pub(crate) const CONFIG_DATABASE: &str = "config.db";

/// The ledger of a data folder.
pub(crate) const LEDGER: &str = "ledger.db";

/// How long requests that have come may take once the server ends: a client that sends half a request keeps nobody.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Below which path both services answer.
pub(crate) const BASE: &str = "/api/v1";

/// The Config Database of the folder; `read_only` says why it takes no writes.
pub(crate) async fn open_config_service(folder: &Path, clock: Arc<dyn Clock>, read_only: Option<String>) -> anyhow::Result<ConfigService> {
    let path = folder.join(CONFIG_DATABASE);
    let options = ConfigServiceOptions { read_only, ..ConfigServiceOptions::sqlite(&path, clock) };
    ConfigService::open(options).await.with_context(|| format!("cannot open {}", path.display()))
}

/// The ledger of the folder.
pub(crate) fn open_ledger(folder: &Path, read_only: bool) -> anyhow::Result<SqliteLedger> {
    let path = folder.join(LEDGER);
    SqliteLedger::open(&path, read_only).with_context(|| format!("cannot open {}", path.display()))
}

/// All routes of both services.
pub(crate) fn router(config: &ConfigService, ledger: SqliteLedger, keys: Arc<dyn KeyCheck>) -> Router {
    let ledger: Arc<dyn Ledger> = Arc::new(ledger);
    let api = config.api_router().merge(agent_api(ledger, keys));
    Router::new().nest(BASE, api).merge(config.health_router()).fallback(unknown_route)
}

/// An HTTP server in this process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) client: ConfigDatabaseClient,
    serving: JoinHandle<std::io::Result<()>>,
    stop: watch::Sender<bool>,
    config: ConfigService,
}

impl Server {
    /// Serves both services at `listen`, and makes a client of it with this key.
    pub(crate) async fn start(config: ConfigService, ledger: SqliteLedger, listen: SocketAddr, key: &str) -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}; --listen takes another address"))?;
        let address = listener.local_addr().context("cannot tell where the server listens")?;
        let client =
            ConfigDatabaseClient::builder(format!("http://{address}{BASE}")).api_key(key).build().context("cannot make a client")?;
        let routes = router(&config, ledger, Arc::new(VerifiedKeys::new(client.clone())));
        let (stop, mut stopped) = watch::channel(false);
        let until_stopped = async move { _ = stopped.wait_for(|stopped| *stopped).await };
        let listener = listener.tap_io(|connection| {
            // Without it small answers wait for the reader's acknowledgement; a connection that refuses is merely slower.
            let _slower = connection.set_nodelay(true);
        });
        let serving = tokio::spawn(axum::serve(listener, routes).with_graceful_shutdown(until_stopped).into_future());
        Ok(Self { address, client, serving, stop, config })
    }

    /// Ends waiting polls, answers what was asked, and closes; after [`LAST_ANSWERS`] it closes in any case.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.config.shutdown();
        self.stop.send_replace(true);
        let Ok(served) = tokio::time::timeout(LAST_ANSWERS, self.serving).await else {
            tracing::warn!("requests that did not come to an end are cut off");
            return Ok(());
        };
        served.context("the HTTP server broke down")?.context("the HTTP server failed")
    }
}

/// The one key of a request that is made in this process.
pub(crate) struct OwnKey(pub(crate) String);

#[async_trait]
impl KeyCheck for OwnKey {
    async fn is_valid(&self, key: &str) -> Result<bool, SourceError> {
        Ok(key == self.0)
    }
}
