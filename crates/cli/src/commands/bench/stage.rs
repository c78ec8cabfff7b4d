//! The service of a bench, on a database of its own that is removed with it.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use cohort_batch_agent::{Ledger, SystemClock};
use cohort_config_client::ConfigDatabaseClient;
use cohort_config_service::Scope;
use cohort_preferences::Clock;

use super::database::{Database, Scratch};
use super::population::Population;
use crate::endpoint::Endpoint;
use crate::services::{Address, BASE, Server, client_at, registry_without_agent};

/// A service that runs in this process.
pub(super) struct Stage {
    server: Server,
    /// Its admin key.
    pub(super) key: String,
    /// The ledger in its database.
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) scratch: Scratch,
}

/// How many users may be called at once; the registry has no agent, so nobody is.
const MOST_AT_ONCE: usize = 25;

impl Stage {
    /// Starts a service without data on the loopback interface.
    pub(super) async fn with_clock(
        database: &Database,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let scratch = database.scratch()?;
        let config = scratch.open(clock).await?;
        let key = config.create_key("bench", Scope::Admin).await.context("cannot make a key")?;
        let ledger = scratch.open_ledger().await?;
        let registry =
            registry_without_agent(Arc::clone(&ledger), Arc::new(SystemClock), MOST_AT_ONCE);
        let server = Address::take(([127, 0, 0, 1], 0).into(), &key).await?.serve(config, registry);
        Ok(Self { server, key, ledger, scratch })
    }

    /// Returns a client of the service, with connections of its own.
    pub(super) fn client(&self) -> anyhow::Result<ConfigDatabaseClient> {
        client_at(self.address(), &self.key)
    }

    /// Returns where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Imports all users, each of whom must be stored.
    pub(super) async fn import(&self, population: &Population) -> anyhow::Result<()> {
        let endpoint =
            Endpoint::http(&format!("http://{}{BASE}", self.address()), Some(&self.key))?;
        let lines = population.lines().await?;
        let mut results =
            endpoint.post_lines("/preferences/import", "application/x-ndjson", lines).await?;
        let (mut stored, users) = (0, population.users);
        while let Some(result) = results.next_line().await? {
            anyhow::ensure!(result.contains("\"stored\""), "a line was not stored: {result}");
            stored += 1;
        }
        anyhow::ensure!(stored == users, "{stored} of {users} lines were stored");
        Ok(())
    }

    /// Stops the service and removes its database.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.server.stop().await?;
        self.scratch.remove().await
    }
}
