//! `cohort config-service`: the Config Database as a service of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use cohort_batch_agent::SystemClock;
use cohort_config_service::{ConfigService, ConfigServiceOptions, DatabaseAddress};

use crate::config::Environment;
use crate::lifecycle::{DataDir, admin_key, write_key_file};
use crate::services::{BASE, hold};
use crate::serving::{LISTEN_HELP, Listening, Signals};

const EXAMPLE: &str = "Example:
  DATABASE_URL=postgres://cohort:secret@db:5432/app cohort config-service --admin-key-file admin.key

A database that has no key yet gets its first one, of scope admin. It is written to the file that
--admin-key-file names, or else printed, this once. An SQLite file is held by one process: its
folder is locked as by `cohort up`, and the key is written to admin.key in it.
Several processes may serve one PostgreSQL schema.
SIGTERM or Ctrl-C stops it, once the open requests are answered. A second signal stops it at once.";

const DATABASE_URL_HELP: &str =
    "sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE [default: DATABASE_URL]";
const NAME_HELP: &str = "The schema in PostgreSQL; deployments with different names share a server \
    [default: COHORT_NAME, or cohort]";

/// Run the Config Database alone, on SQLite or PostgreSQL
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct ConfigServiceCommand {
    #[arg(long, value_name = "URL", help = DATABASE_URL_HELP)]
    database_url: Option<String>,
    #[arg(long, value_name = "NAME", help = NAME_HELP)]
    name: Option<String>,
    #[arg(long, value_name = "ADDRESS", help = LISTEN_HELP)]
    listen: Option<SocketAddr>,
    /// Where the first key of a new PostgreSQL database is written
    #[arg(long, value_name = "FILE")]
    admin_key_file: Option<PathBuf>,
}

impl ConfigServiceCommand {
    pub(crate) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let mut signals = Signals::listen()?;
        let database = environment.database(self.database_url.as_deref(), self.name.as_deref())?;
        let listen = environment.listen(self.listen)?;
        let held = hold(&database).await?;
        let opening = Box::pin(self.open(&database, held.as_ref()));
        let opened = signals.unless_ended(opening).await?;
        let Some(service) = opened else { return Ok(()) };
        let listening = Listening::at(listen).await?;
        let address = listening.address;
        if let Some(held) = &held {
            held.announce(address)?;
        }
        let server = listening.serve(service.router());
        println!("The Config Database listens at http://{address}{BASE}, on {database}.");
        signals.next().await;
        tracing::info!("stopping: open requests are answered first");
        service.shutdown();
        signals.unless_again(server.stop()).await
    }

    /// Opens the database, which gets its first key if it has none.
    async fn open(
        &self,
        database: &DatabaseAddress,
        held: Option<&DataDir>,
    ) -> anyhow::Result<ConfigService> {
        let options = ConfigServiceOptions::new(database.clone(), Arc::new(SystemClock));
        let service = ConfigService::open(options)
            .await
            .with_context(|| format!("cannot open {database}"))?;
        match held {
            Some(held) => drop(admin_key(held, &service).await?),
            None => self.give_first_key(&service).await?,
        }
        Ok(service)
    }

    async fn give_first_key(&self, service: &ConfigService) -> anyhow::Result<()> {
        let Some(key) =
            service.create_admin_key_if_none("admin").await.context("cannot make the first key")?
        else {
            return Ok(());
        };
        match &self.admin_key_file {
            Some(path) => write_key_file(path, &key),
            None => {
                println!("The first key, of scope admin; it is not shown again: {key}");
                Ok(())
            }
        }
    }
}
