//! The service of a run, on a place of its own that goes with it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::body::Bytes;
use cohort_batch_agent::{Ledger, SystemClock};
use cohort_config_client::ConfigDatabaseClient;
use cohort_config_service::Scope;
use cohort_preferences::Clock;
use futures_util::Stream;
use tokio_util::io::ReaderStream;

use super::database::{Database, Place};
use crate::endpoint::Endpoint;
use crate::services::{Address, BASE, Server, registry_without_agent};

/// How much of the file of lines is sent at once.
const PIECE: usize = 256 * 1024;

/// A service that runs in this process.
pub(super) struct Stage {
    server: Server,
    /// Its admin key.
    pub(super) key: String,
    /// The ledger in its place.
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) place: Place,
}

/// No handler is called in a bench of the Config Database.
const MOST_AT_ONCE: usize = 25;

impl Stage {
    /// Starts a service without data on the loopback interface.
    pub(super) async fn empty(database: &Database) -> anyhow::Result<Self> {
        Self::with_clock(database, Arc::new(SystemClock)).await
    }

    /// The same with another clock than the host's.
    pub(super) async fn with_clock(
        database: &Database,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let place = database.place()?;
        let config = place.open(clock).await?;
        let key = config.create_key("bench", Scope::Admin).await.context("cannot make a key")?;
        let ledger = place.open_ledger().await?;
        let registry =
            registry_without_agent(Arc::clone(&ledger), Arc::new(SystemClock), MOST_AT_ONCE);
        let server = Address::take(([127, 0, 0, 1], 0).into(), &key).await?.serve(config, registry);
        Ok(Self { server, key, ledger, place })
    }

    /// A client of the service, of its own connections.
    pub(super) fn client(&self) -> anyhow::Result<ConfigDatabaseClient> {
        let client = ConfigDatabaseClient::builder(format!("http://{}{BASE}", self.address()))
            .api_key(&self.key);
        client.build().context("cannot make a client")
    }

    /// Where it listens.
    pub(super) fn address(&self) -> std::net::SocketAddr {
        self.server.address
    }

    /// Imports a file of lines, each of which must be stored.
    pub(super) async fn import(&self, lines: &Path, users: u64) -> anyhow::Result<()> {
        let endpoint =
            Endpoint::http(&format!("http://{}{BASE}", self.address()), Some(&self.key))?;
        let mut results = endpoint
            .post_lines("/preferences/import", "application/x-ndjson", pieces(lines).await?)
            .await?;
        let mut stored = 0;
        while let Some(result) = results.next_line().await? {
            anyhow::ensure!(result.contains("\"stored\""), "a line was not stored: {result}");
            stored += 1;
        }
        anyhow::ensure!(stored == users, "{stored} of {users} lines were stored");
        Ok(())
    }

    /// Stops the service and takes its place away.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.server.stop().await?;
        self.place.remove().await
    }
}

/// Writes these lines; answers how many bytes they are.
pub(super) fn write_lines(path: &Path, lines: impl Iterator<Item = String>) -> anyhow::Result<u64> {
    let mut file = BufWriter::new(File::create(path).context("cannot write the lines")?);
    let mut bytes = 0;
    for line in lines {
        file.write_all(line.as_bytes()).context("cannot write the lines")?;
        bytes += line.len() as u64;
    }
    file.flush().context("cannot write the lines")?;
    Ok(bytes)
}

async fn pieces(
    lines: &Path,
) -> anyhow::Result<impl Stream<Item = std::io::Result<Bytes>> + Send + use<>> {
    let file = tokio::fs::File::open(lines).await.context("cannot read the lines")?;
    Ok(ReaderStream::with_capacity(file, PIECE))
}
