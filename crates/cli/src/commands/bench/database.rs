//! Which database a bench uses, and a scratch database of its own there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use cohort_batch_agent::{Ledger, SystemClock};
use cohort_config_service::{ConfigService, ConfigServiceOptions, DatabaseAddress};
use cohort_preferences::Clock;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::{bare_postgres, bare_sqlite};
use crate::config::Environment;
use crate::failure::wrong_input;
use crate::services::{CONFIG_DATABASE, LEDGER, open_ledger_at};

const SERVER_HELP: &str = "The PostgreSQL server, spoken to without TLS; each bench has schemas of \
    its own there [default: DATABASE_URL]";

/// Which database.
#[derive(Args)]
pub(super) struct DatabaseArgs {
    /// Which database
    #[arg(long, value_enum, default_value_t = Backend::Sqlite)]
    backend: Backend,
    #[arg(long, value_name = "URL", help = SERVER_HELP)]
    database_url: Option<String>,
}

/// Which kind of database.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// An SQLite file in a temporary folder
    Sqlite,
    /// A PostgreSQL server
    Postgres,
}

/// Where benches have their databases.
pub(super) enum Database {
    Sqlite,
    /// At this address.
    Postgres(String),
}

/// A database for one bench, which is removed with it.
pub(super) struct Scratch {
    /// Where the service finds it.
    pub(super) address: DatabaseAddress,
    /// Holds the files of SQLite.
    pub(super) folder: TempDir,
}

impl DatabaseArgs {
    pub(super) fn database(&self, environment: &Environment) -> anyhow::Result<Database> {
        if self.backend == Backend::Sqlite {
            return Ok(Database::Sqlite);
        }
        match environment.database(self.database_url.as_deref(), None)? {
            DatabaseAddress::Postgres { url, .. } => Ok(Database::Postgres(url)),
            DatabaseAddress::Sqlite(_) => {
                Err(wrong_input("--backend postgres: expected an address postgres://…"))
            }
        }
    }
}

impl Database {
    /// Returns the name in the figures.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Returns a database that nobody has used.
    pub(super) fn scratch(&self) -> anyhow::Result<Scratch> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = TempDir::new().context("cannot make a folder")?;
        let address = match self {
            Self::Sqlite => DatabaseAddress::Sqlite(folder.path().join(CONFIG_DATABASE)),
            Self::Postgres(url) => {
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                DatabaseAddress::Postgres {
                    url: url.clone(),
                    schema: format!("cohort_bench_{}_{number}", std::process::id()),
                }
            }
        };
        Ok(Scratch { address, folder })
    }
}

impl Scratch {
    /// Opens it as `cohort up` does, but lets the one sender ask as often as it likes.
    pub(super) async fn open(&self, clock: Arc<dyn Clock>) -> anyhow::Result<ConfigService> {
        let options = ConfigServiceOptions::new(self.address.clone(), clock);
        let options = ConfigServiceOptions { requests_per_second: None, ..options };
        ConfigService::open(options).await.with_context(|| format!("cannot open {}", self.address))
    }

    /// Opens the ledger of an agent, in the same database; each handle is as another process would
    /// have it.
    pub(super) async fn open_ledger(&self) -> anyhow::Result<Arc<dyn Ledger>> {
        open_ledger_at(&self.ledger()).await
    }

    fn ledger(&self) -> DatabaseAddress {
        match &self.address {
            DatabaseAddress::Sqlite(_) => DatabaseAddress::Sqlite(self.folder.path().join(LEDGER)),
            DatabaseAddress::Postgres { url, schema } => {
                DatabaseAddress::Postgres { url: url.clone(), schema: format!("{schema}_ledger") }
            }
        }
    }

    /// Has the bare driver write so many users into the tables of a service that holds nothing;
    /// returns how long it took.
    pub(super) async fn write_bare(&self, users: u64) -> anyhow::Result<Duration> {
        self.open(Arc::new(SystemClock)).await?.shutdown();
        match &self.address {
            DatabaseAddress::Sqlite(path) => {
                let path = path.clone();
                let written =
                    tokio::task::spawn_blocking(move || bare_sqlite::write(&path, users)).await;
                written.context("the bare driver broke down")?
            }
            DatabaseAddress::Postgres { url, schema } => {
                bare_postgres::write(connect(url).await?, schema, users).await
            }
        }
    }

    /// Removes what a bench has left.
    pub(super) async fn remove(self) -> anyhow::Result<()> {
        for address in [&self.address, &self.ledger()] {
            if let DatabaseAddress::Postgres { url, schema } = address {
                let drop = format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE");
                connect(url)
                    .await?
                    .batch_execute(&drop)
                    .await
                    .with_context(|| format!("cannot drop the schema {schema}"))?;
            }
        }
        self.folder.close().context("cannot remove the folder")
    }
}

/// Connects to a PostgreSQL server.
pub(super) async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("cannot connect to PostgreSQL")?;
    tokio::spawn(connection);
    Ok(client)
}
