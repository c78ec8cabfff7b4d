//! `cohort bench import`: how many preferences a second are validated, grouped, in the history and
//! durable.

use std::time::Instant;

use anyhow::Context;
use clap::Args;
use tempfile::TempDir;

use super::database::{Database, DatabaseArgs};
use super::figure::{Runs, Workload};
use super::memory::{forget_peak_memory, peak_memory};
use super::stage::{Stage, write_lines};
use super::users;
use crate::config::Environment;

const EXAMPLE: &str = r#"Example:
  cohort bench import --users 1000000 --runs 5
  cohort bench import --backend postgres --database-url postgres://postgres@127.0.0.1/postgres

Each figure is a line {"workload","backend","n","metric","unit","value","runs"}: rate, bare_driver_rate (the same rows
into the same tables with the same indexes, by the driver alone), ratio_to_bare_driver, peak_memory (of the whole
process: service, sender and all)."#;

/// Measure an import over HTTP against the bare database driver
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct BenchImport {
    /// How many users
    #[arg(long, value_name = "N", default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    users: u64,
    #[command(flatten)]
    runs: Runs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// What the runs measured.
#[derive(Default)]
struct Measured {
    rates: Vec<f64>,
    bare_rates: Vec<f64>,
    ratios: Vec<f64>,
    memory: Vec<f64>,
}

impl BenchImport {
    pub(super) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let database = self.database.database(environment)?;
        let input = TempDir::new().context("cannot make a folder")?;
        let lines = input.path().join("lines.jsonl");
        let bytes = write_lines(&lines, (0..self.users).map(users::line))?;
        eprintln!(
            "{} users in {} groups, {} bytes a line",
            self.users,
            users::GROUPS.min(self.users),
            bytes / self.users
        );
        let mut measured = Measured::default();
        for run in 1..=self.runs.count {
            forget_peak_memory();
            let stage = Stage::empty(&database).await?;
            let started = Instant::now();
            stage.import(&lines, self.users).await?;
            let rate = self.users as f64 / started.elapsed().as_secs_f64();
            measured.memory.extend(peak_memory());
            stage.end().await?;

            let place = database.place()?;
            let bare_rate = self.users as f64 / place.write_bare(self.users).await?.as_secs_f64();
            place.remove().await?;
            eprintln!("run {run}: {rate:.0} a second; the bare driver {bare_rate:.0}");
            measured.rates.push(rate);
            measured.bare_rates.push(bare_rate);
            measured.ratios.push(rate / bare_rate);
        }
        self.print(&database, &measured)
    }

    fn print(&self, database: &Database, measured: &Measured) -> anyhow::Result<()> {
        let workload = Workload { name: "import", backend: database.name(), users: self.users };
        workload.print("rate", "preferences/s", &measured.rates)?;
        workload.print("bare_driver_rate", "preferences/s", &measured.bare_rates)?;
        workload.print("ratio_to_bare_driver", "1", &measured.ratios)?;
        workload.print("peak_memory", "MB", &measured.memory)?;
        Ok(())
    }
}
