//! `cohort bench`: each workload on its own, with its raw limit in the same run.
//!
//! The service is the real one, on a database (a folder, or a schema of PostgreSQL) that is made
//! for the bench and removed afterwards. This same process asks it over HTTP on loopback.
//! A figure is one line of JSON on standard output; progress goes to standard error.
//!
//! ```text
//! BenchArgs ─ begin ─► Measurement ─ stage ─► Stage (service, users stored)
//!                          └ for each run: note(metric, unit, value) ─► Figures ─ finish ─► lines
//! ```

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
mod measurement;
mod memory;
mod outage;
mod population;
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
    Outage(outage::BenchOutage),
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
            Self::Outage(outage) => outage.run(environment).await,
            Self::Read(read) => read.run(environment).await,
            Self::Start(start) => start.run(environment).await,
        }
    }
}
