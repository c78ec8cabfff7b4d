//! The services of one data folder in this process: the Config Database, the ledger, and one HTTP
//! server for both.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use axum::Router;
use cohort_batch_agent::{
    AgentClock, JobRegistry, KeyCheck, Ledger, PostgresLedger, Serving, SourceError, SqliteLedger,
    VerifiedKeys, agent_api, with_agent_metrics, with_agent_readiness,
};
use cohort_config_client::{ConfigDatabaseClient, KeyInfo};
use cohort_config_service::{ConfigService, ConfigServiceOptions, DatabaseAddress, unknown_route};
use cohort_preferences::Clock;

use crate::failure::wrong_input;
use crate::lifecycle::DataDir;
use crate::purposes::HandlersOfLater;
use crate::serving::{HttpServer, Listening};

/// The Config Database of a data folder.
pub(crate) const CONFIG_DATABASE: &str = "config.db";

/// The ledger of a data folder.
pub(crate) const LEDGER: &str = "ledger.db";

/// The path below which both services answer.
pub(crate) const BASE: &str = "/api/v1";

/// Opens the Config Database of the folder; `read_only` says why it takes no writes.
pub(crate) async fn open_config_service(
    folder: &Path,
    clock: Arc<dyn Clock>,
    read_only: Option<String>,
) -> anyhow::Result<ConfigService> {
    let path = folder.join(CONFIG_DATABASE);
    let options = ConfigServiceOptions { read_only, ..ConfigServiceOptions::sqlite(&path, clock) };
    ConfigService::open(options).await.with_context(|| format!("cannot open {}", path.display()))
}

/// Opens the ledger of the folder.
pub(crate) fn open_ledger(folder: &Path, read_only: bool) -> anyhow::Result<Arc<dyn Ledger>> {
    let path = folder.join(LEDGER);
    let ledger = SqliteLedger::open(&path, read_only)
        .with_context(|| format!("cannot open {}", path.display()))?;
    Ok(ledger.into())
}

/// Opens the ledger at an address.
pub(crate) async fn open_ledger_at(address: &DatabaseAddress) -> anyhow::Result<Arc<dyn Ledger>> {
    let opened = match address {
        DatabaseAddress::Sqlite(path) => SqliteLedger::open(path, false).map(Into::into),
        DatabaseAddress::Postgres { url, schema } => {
            PostgresLedger::open(url, schema).await.map(Into::into)
        }
    };
    opened.with_context(|| format!("cannot open {address}"))
}

/// Locks the folder of an SQLite file against a second process; returns `None` for PostgreSQL,
/// which needs no lock.
pub(crate) async fn hold(database: &DatabaseAddress) -> anyhow::Result<Option<DataDir>> {
    let DatabaseAddress::Sqlite(path) = database else { return Ok(None) };
    if path.is_dir() {
        return Err(wrong_input(format!("{database}: expected a file, and it is a folder")));
    }
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DataDir::lock(folder).await.map(Some)
}

/// Returns the registry of a ledger that no agent of this process works on.
pub(crate) fn registry_without_agent(
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn AgentClock>,
    max_concurrent_items: usize,
) -> JobRegistry {
    JobRegistry::new(ledger, clock, Serving::new(Arc::new(HandlersOfLater), max_concurrent_items))
}

/// Returns all routes of both services.
pub(crate) fn router(
    config: &ConfigService,
    registry: JobRegistry,
    keys: Arc<dyn KeyCheck>,
) -> Router {
    let health = match registry.agent() {
        Some(agent) => {
            let health = with_agent_metrics(config.health_router(), agent.clone());
            with_agent_readiness(health, agent.clone())
        }
        None => config.health_router(),
    };
    let api = config.api_router().merge(agent_api(registry, keys));
    Router::new()
        .nest(BASE, api)
        .merge(health)
        .merge(ConfigService::docs_router())
        .fallback(unknown_route)
}

/// Returns a client of the Config Database at an address of this machine.
pub(crate) fn client_at(address: SocketAddr, key: &str) -> anyhow::Result<ConfigDatabaseClient> {
    ConfigDatabaseClient::builder(format!("http://{address}{BASE}"))
        .api_key(key)
        .build()
        .context("cannot make a client")
}

/// An address for both services at which nothing answers yet, and a client of it.
pub(crate) struct Address {
    pub(crate) client: ConfigDatabaseClient,
    listening: Listening,
}

/// Both services behind one address.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) client: ConfigDatabaseClient,
    http: HttpServer,
    config: ConfigService,
}

impl Address {
    /// Takes `listen`, and makes a client with this key.
    pub(crate) async fn take(listen: SocketAddr, key: &str) -> anyhow::Result<Self> {
        let listening = Listening::at(listen).await?;
        Ok(Self { client: client_at(listening.address, key)?, listening })
    }

    /// Serves both services.
    pub(crate) fn serve(self, config: ConfigService, registry: JobRegistry) -> Server {
        let Self { client, listening } = self;
        let address = listening.address;
        let routes = router(&config, registry, Arc::new(VerifiedKeys::new(client.clone())));
        Server { address, client, http: listening.serve(routes), config }
    }
}

impl Server {
    /// Ends waiting polls, answers the open requests, and closes.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.config.shutdown();
        self.http.stop().await
    }
}

/// The one key that opens services whose requests are made in this process.
pub(crate) struct OwnKey(pub(crate) String);

#[async_trait]
impl KeyCheck for OwnKey {
    async fn holder(&self, key: &str) -> Result<Option<KeyInfo>, SourceError> {
        Ok((key == self.0).then(|| KeyInfo { name: "admin".into(), scopes: vec!["admin".into()] }))
    }
}
