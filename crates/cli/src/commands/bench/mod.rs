//! `cohort bench`: each workload on its own, with its raw limit in the same run.
//!
//! The service is the real one on a database (a folder, or a schema of PostgreSQL) that is made for
//! the run and removed afterwards, and it is asked over HTTP on the loopback interface by this same
//! process. A figure is one line of JSON; what is going on stands on standard error.

mod agent;
mod bare_drain;
mod bare_postgres;
mod bare_sqlite;
mod change;
mod database;
mod drain;
mod due_users;
mod figure;
mod idle;
mod import;
mod loopback;
mod memory;
mod read;
mod stage;
mod start;
mod users;

use clap::Subcommand;

use crate::config::Environment;

pub(super) const EXAMPLE: &str = "Example:
  cohort bench import --users 100000 --runs 5";

/// Measure this machine with this build
#[derive(Subcommand)]
pub(crate) enum Bench {
    Change(change::BenchChange),
    Drain(drain::BenchDrain),
    Idle(idle::BenchIdle),
    Import(import::BenchImport),
    Read(read::BenchRead),
    Start(start::BenchStart),
}

impl Bench {
    pub(crate) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        match self {
            Self::Change(change) => change.run(environment).await,
            Self::Drain(drain) => drain.run(environment).await,
            Self::Idle(idle) => idle.run(environment).await,
            Self::Import(import) => import.run(environment).await,
            Self::Read(read) => read.run(environment).await,
            Self::Start(start) => start.run(environment).await,
        }
    }
}
