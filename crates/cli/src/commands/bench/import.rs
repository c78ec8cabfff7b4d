//! `cohort bench import`: how many preferences a second are validated, grouped, in the history and
//! durable.

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use cohort_batch_agent::SystemClock;

use super::measurement::{BenchArgs, Measurement};
use super::memory::{forget_peak_memory, peak_memory};
use super::population::Population;
use super::stage::Stage;
use super::users;
use crate::config::Environment;

const EXAMPLE: &str = r#"Example:
  cohort bench import --users 1000000 --runs 5
  cohort bench import --backend postgres --database-url postgres://postgres@127.0.0.1/postgres

Each figure is a line {"workload","backend","n","metric","unit","value","runs"}: rate,
bare_driver_rate (the same rows into the same tables with the same indexes, by the driver alone),
ratio_to_bare_driver, peak_memory (of the whole process: service, sender and all)."#;

/// Measure an import over HTTP against the bare database driver
#[derive(Args)]
#[command(after_help = EXAMPLE, mut_arg("users", |users| users.default_value("1000000")))]
pub(crate) struct BenchImport {
    #[command(flatten)]
    bench: BenchArgs,
}

impl BenchImport {
    pub(super) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let mut measurement = self.bench.begin("import", environment)?;
        let population = Population::write(measurement.users, users::line)?;
        measurement.say(&format!(
            "{} users in {} groups, {} bytes a line",
            population.users,
            users::GROUPS.min(population.users),
            population.bytes / population.users
        ));
        for run in measurement.runs() {
            let (rate, memory) = import(&measurement, &population).await?;
            let bare_rate = import_bare(&measurement).await?;
            measurement.note("rate", "preferences/s", rate);
            measurement.note("bare_driver_rate", "preferences/s", bare_rate);
            measurement.note("ratio_to_bare_driver", "1", rate / bare_rate);
            if let Some(memory) = memory {
                measurement.note("peak_memory", "MB", memory);
            }
            measurement
                .end_run(run, &format!("{rate:.0} a second; the bare driver {bare_rate:.0}"));
        }
        measurement.finish()
    }
}

/// Returns how many users are stored a second, and the peak of memory where it is known.
async fn import(
    measurement: &Measurement,
    population: &Population,
) -> anyhow::Result<(f64, Option<f64>)> {
    forget_peak_memory();
    let stage = Stage::with_clock(&measurement.database, Arc::new(SystemClock)).await?;
    let started = Instant::now();
    stage.import(population).await?;
    let rate = population.users as f64 / started.elapsed().as_secs_f64();
    let memory = peak_memory();
    stage.end().await?;
    Ok((rate, memory))
}

/// Returns how many users the bare driver writes a second.
async fn import_bare(measurement: &Measurement) -> anyhow::Result<f64> {
    let scratch = measurement.database.scratch()?;
    let took = scratch.write_bare(measurement.users).await?;
    scratch.remove().await?;
    Ok(measurement.users as f64 / took.as_secs_f64())
}
