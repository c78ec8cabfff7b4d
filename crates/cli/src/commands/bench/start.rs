//! `cohort bench start`: an agent from nothing to ready, with its ledger there and its users
//! stored.

use std::time::Instant;

use clap::Args;

use super::agent::Agent;
use super::due_users::{MOST_FAR_GROUPS, far_lines};
use super::measurement::BenchArgs;
use super::users;
use crate::config::Environment;

const EXAMPLE: &str = r#"Example:
  cohort bench start --users 1000000 --groups 5000
  cohort bench start --users 500000 --groups 500000

Each figure is a line {"workload","backend","n","metric","unit","value","runs"}: ready (from nothing
until every group has a schedule), list (one request for the list of groups, read by the same
client: what it cannot be faster than), and ratio_to_list."#;

/// Measure how long an agent takes to be ready
#[derive(Args)]
#[command(after_help = EXAMPLE, mut_arg("users", |users| users.default_value("1000000")))]
pub(crate) struct BenchStart {
    #[command(flatten)]
    bench: BenchArgs,
    /// In how many groups
    #[arg(long, value_name = "N", default_value_t = 5_000,
        value_parser = clap::value_parser!(u64).range(1..=MOST_FAR_GROUPS))]
    groups: u64,
}

impl BenchStart {
    pub(super) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let mut measurement = self.bench.begin("start", environment)?;
        let stage = measurement.stage(far_lines(self.groups)).await?;
        for run in measurement.runs() {
            let client = stage.client()?;
            let started = Instant::now();
            let agent = Agent::ready_on(&stage, client.clone()).await?;
            let ready = milliseconds_since(started);
            anyhow::ensure!(
                agent.schedules() as u64 == self.groups.min(measurement.users),
                "a group has no schedule"
            );
            let started = Instant::now();
            std::hint::black_box(client.get_frequency_groups(users::FEATURE).await?);
            let list = milliseconds_since(started);
            measurement.note("ready", "ms", ready);
            measurement.note("list", "ms", list);
            measurement.note("ratio_to_list", "1", ready / list);
            measurement
                .end_run(run, &format!("ready in {ready:.1} ms; the list alone {list:.1} ms"));
        }
        stage.end().await?;
        measurement.finish()
    }
}

fn milliseconds_since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}
