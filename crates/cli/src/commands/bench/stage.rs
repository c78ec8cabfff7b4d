//! The service of a run, on a folder of its own that goes with it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::body::Bytes;
use cohort_batch_agent::SystemClock;
use cohort_config_service::{ConfigService, ConfigServiceOptions, Scope};
use futures_util::Stream;
use tempfile::TempDir;
use tokio_util::io::ReaderStream;

use super::users;
use crate::endpoint::Endpoint;
use crate::services::{BASE, CONFIG_DATABASE, Server, open_ledger};

/// How much of the file of lines is sent at once.
const PIECE: usize = 256 * 1024;

/// A service that runs in this process.
pub(super) struct Stage {
    server: Server,
    /// Its admin key.
    pub(super) key: String,
    folder: TempDir,
}

impl Stage {
    /// Starts a service without data on the loopback interface.
    pub(super) async fn empty() -> anyhow::Result<Self> {
        let folder = TempDir::new().context("cannot make a folder")?;
        let config = open(folder.path()).await?;
        let key = config.create_key("bench", Scope::Admin).await.context("cannot make a key")?;
        let server = Server::start(config, open_ledger(folder.path(), false)?, ([127, 0, 0, 1], 0).into(), &key).await?;
        Ok(Self { server, key, folder })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> std::net::SocketAddr {
        self.server.address
    }

    /// Imports a file of lines, each of which must be stored.
    pub(super) async fn import(&self, lines: &Path, users: u64) -> anyhow::Result<()> {
        let endpoint = Endpoint::http(&format!("http://{}{BASE}", self.address()), Some(&self.key))?;
        let mut results = endpoint.post_lines("/preferences/import", "application/x-ndjson", pieces(lines).await?).await?;
        let mut stored = 0;
        while let Some(result) = results.next_line().await? {
            anyhow::ensure!(result.contains("\"stored\""), "a line was not stored: {result}");
            stored += 1;
        }
        anyhow::ensure!(stored == users, "{stored} of {users} lines were stored");
        Ok(())
    }

    /// Stops the service and gives the folder, whose database is closed.
    pub(super) async fn stop(self) -> anyhow::Result<TempDir> {
        self.server.stop().await?;
        Ok(self.folder)
    }
}

/// As `cohort up` opens it, but that this one sender may ask as often as it likes.
async fn open(folder: &Path) -> anyhow::Result<ConfigService> {
    let options = ConfigServiceOptions::sqlite(folder.join(CONFIG_DATABASE), Arc::new(SystemClock));
    let options = ConfigServiceOptions { requests_per_second: None, ..options };
    ConfigService::open(options).await.context("cannot open a Config Database")
}

/// The folder of a service that has been made and holds nothing.
pub(super) async fn untouched_folder() -> anyhow::Result<TempDir> {
    let folder = TempDir::new().context("cannot make a folder")?;
    drop(open(folder.path()).await?);
    anyhow::ensure!(folder.path().join(CONFIG_DATABASE).exists(), "the service made no {CONFIG_DATABASE}");
    Ok(folder)
}

/// Writes the lines of so many users.
pub(super) fn write_lines(path: &Path, users: u64) -> anyhow::Result<u64> {
    let mut file = BufWriter::new(File::create(path).context("cannot write the lines")?);
    let mut bytes = 0;
    for user in 0..users {
        let line = users::line(user);
        file.write_all(line.as_bytes()).context("cannot write the lines")?;
        bytes += line.len() as u64;
    }
    file.flush().context("cannot write the lines")?;
    Ok(bytes)
}

async fn pieces(lines: &Path) -> anyhow::Result<impl Stream<Item = std::io::Result<Bytes>> + Send + use<>> {
    let file = tokio::fs::File::open(lines).await.context("cannot read the lines")?;
    Ok(ReaderStream::with_capacity(file, PIECE))
}
