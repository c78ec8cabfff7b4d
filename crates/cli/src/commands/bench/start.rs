//! `cohort bench start`: an agent from nothing to ready, with its ledger there and its users
//! stored.

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use cohort_batch_agent::SystemClock;

use super::agent::{Agent, Notes};
use super::database::DatabaseArgs;
use super::due_users::MOST_FAR_GROUPS;
use super::figure::{Runs, Workload};
use super::idle::far_users;
use crate::config::Environment;

const EXAMPLE: &str = r#"Example:
  cohort bench start --users 1000000 --groups 5000
  cohort bench start --users 500000 --groups 500000

Each figure is a line {"workload","backend","n","metric","unit","value","runs"}: ready (from nothing until every group has
a schedule), list (one request for the list of groups, read by the same client: what it cannot be faster than), and
ratio_to_list."#;

/// Measure how long an agent takes to be ready
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct BenchStart {
    /// How many users are stored
    #[arg(long, value_name = "N", default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    users: u64,
    /// In how many groups
    #[arg(long, value_name = "N", default_value_t = 5_000,
        value_parser = clap::value_parser!(u64).range(1..=MOST_FAR_GROUPS))]
    groups: u64,
    #[command(flatten)]
    runs: Runs,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl BenchStart {
    pub(super) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let database = self.database.database(environment)?;
        let stage = far_users(&database, self.users, self.groups).await?;
        let (mut ready, mut list, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for run in 1..=self.runs.count {
            let (client, clock) = (stage.client()?, Arc::new(SystemClock));
            let started = Instant::now();
            let agent = Agent::ready(
                client.clone(),
                Arc::clone(&stage.ledger),
                clock.clone(),
                Notes::new(clock),
                25,
            )
            .await?;
            let took = started.elapsed().as_secs_f64() * 1e3;
            anyhow::ensure!(
                agent.schedules() as u64 == self.groups.min(self.users),
                "a group has no schedule"
            );
            let started = Instant::now();
            std::hint::black_box(client.get_frequency_groups(super::users::FEATURE).await?);
            let listed = started.elapsed().as_secs_f64() * 1e3;
            eprintln!("run {run}: ready in {took:.1} ms; the list alone {listed:.1} ms");
            ready.push(took);
            list.push(listed);
            ratios.push(took / listed);
        }
        stage.end().await?;
        let workload = Workload { name: "start", backend: database.name(), users: self.users };
        workload.print("ready", "ms", &ready)?;
        workload.print("list", "ms", &list)?;
        workload.print("ratio_to_list", "1", &ratios)?;
        Ok(())
    }
}
