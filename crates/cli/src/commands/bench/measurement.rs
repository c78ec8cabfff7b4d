//! What all benches share: which database, how many users and runs, and the figures of the runs.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use cohort_batch_agent::SystemClock;
use cohort_preferences::Clock;

use super::database::{Database, DatabaseArgs};
use super::figure::Figures;
use super::population::Population;
use super::stage::Stage;
use crate::config::Environment;
use crate::progress::Progress;

/// The arguments of every bench.
#[derive(Args)]
pub(super) struct BenchArgs {
    /// How many users are stored
    #[arg(long, value_name = "N", default_value_t = 100_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) users: u64,
    /// How many runs; a figure is their median
    #[arg(long, value_name = "N", default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// A bench on its way.
pub(super) struct Measurement {
    pub(super) users: u64,
    pub(super) database: Database,
    runs: u64,
    figures: Figures,
    progress: Progress,
}

impl BenchArgs {
    /// Begins the bench of a workload.
    pub(super) fn begin(
        &self,
        workload: &'static str,
        environment: &Environment,
    ) -> anyhow::Result<Measurement> {
        let database = self.database.database(environment)?;
        let figures = Figures::of(workload, database.name(), self.users);
        let progress = Progress::of_things("runs", Some(self.runs));
        Ok(Measurement { users: self.users, database, runs: self.runs, figures, progress })
    }
}

impl Measurement {
    /// Starts a service that holds all users, each of whom has this line in an import.
    pub(super) async fn stage(&self, line: impl Fn(u64) -> String) -> anyhow::Result<Stage> {
        self.stage_at(Arc::new(SystemClock), line).await
    }

    /// Starts the same with another clock than the host's.
    pub(super) async fn stage_at(
        &self,
        clock: Arc<dyn Clock>,
        line: impl Fn(u64) -> String,
    ) -> anyhow::Result<Stage> {
        self.progress.set_message("storing users");
        let population = Population::write(self.users, line)?;
        let stage = Stage::with_clock(&self.database, clock).await?;
        let started = Instant::now();
        stage.import(&population).await?;
        let took = started.elapsed().as_secs_f64();
        self.say(&format!("{} users are stored in {took:.1} s", self.users));
        Ok(stage)
    }

    /// Returns the numbers of the runs.
    pub(super) fn runs(&self) -> RangeInclusive<u64> {
        1..=self.runs
    }

    /// Notes what a run measured.
    pub(super) fn note(&mut self, metric: &'static str, unit: &'static str, value: f64) {
        self.figures.note(metric, unit, value);
    }

    /// Prints on standard error how a run went.
    pub(super) fn end_run(&self, run: u64, told: &str) {
        self.say(&format!("run {run}: {told}"));
        self.progress.set_message("measuring");
        self.progress.set(run);
    }

    /// Prints a line on standard error.
    pub(super) fn say(&self, text: &str) {
        self.progress.say(text);
    }

    /// Prints the figures.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        self.progress.finish();
        Ok(self.figures.print()?)
    }
}
