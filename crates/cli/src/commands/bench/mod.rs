//! `cohort bench`: each workload on its own, with its raw limit in the same run.
//!
//! The service is the real one on a database (a folder, or a schema of PostgreSQL) that is made for the run and removed
//! afterwards, and it is asked over HTTP on the loopback interface by this same process. A figure is one line of JSON; what is going on stands on standard error.

mod bare_postgres;
mod bare_sqlite;
mod database;
mod figure;
mod import;
mod loopback;
mod read;
mod stage;
mod users;

use clap::Subcommand;

use crate::config::Environment;

pub(super) const EXAMPLE: &str = "Example:
  cohort bench import --users 100000 --runs 5";

/// Measure this machine with this build
#[derive(Subcommand)]
pub(crate) enum Bench {
    Import(import::BenchImport),
    Read(read::BenchRead),
}

impl Bench {
    pub(crate) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        match self {
            Self::Import(import) => import.run(environment).await,
            Self::Read(read) => read.run(environment).await,
        }
    }
}
