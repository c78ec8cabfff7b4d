//! The services of one data folder in this process: the Config Database, the ledger, and one HTTP server for both.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use cohort_batch_agent::{KeyCheck, Ledger, SourceError, SqliteLedger, VerifiedKeys, agent_api};
use cohort_config_client::ConfigDatabaseClient;
use cohort_config_service::{ConfigService, ConfigServiceOptions, unknown_route};
use cohort_preferences::Clock;

use crate::serving::{HttpServer, Listening};

/// The Config Database of a data folder.
pub(crate) const CONFIG_DATABASE: &str = "config.db";

/// The ledger of a data folder.
pub(crate) const LEDGER: &str = "ledger.db";

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
    Router::new().nest(BASE, api).merge(config.health_router()).merge(ConfigService::docs_router()).fallback(unknown_route)
}

/// Both services behind one address.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) client: ConfigDatabaseClient,
    http: HttpServer,
    config: ConfigService,
}

impl Server {
    /// Serves both services at `listen`, and makes a client of it with this key.
    pub(crate) async fn start(config: ConfigService, ledger: SqliteLedger, listen: SocketAddr, key: &str) -> anyhow::Result<Self> {
        let listening = Listening::at(listen).await?;
        let address = listening.address;
        let client =
            ConfigDatabaseClient::builder(format!("http://{address}{BASE}")).api_key(key).build().context("cannot make a client")?;
        let routes = router(&config, ledger, Arc::new(VerifiedKeys::new(client.clone())));
        Ok(Self { address, client, http: listening.serve(routes), config })
    }

    /// Ends waiting polls, answers what was asked, and closes.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.config.shutdown();
        self.http.stop().await
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
