//! `cohort bench change`: one preference changed by REST, until the agent would act on it.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::agent::{Agent, Working};
use super::figure::{median, p99};
use super::loopback::{self, Requests};
use super::measurement::BenchArgs;
use super::stage::Stage;
use super::users;
use crate::config::Environment;
use crate::services::BASE;

const EXAMPLE: &str = r#"Example:
  cohort bench change --users 100000 --changes 2000

Each figure is a line {"workload","backend","n","metric","unit","value","runs"}: in_force_p50 and
in_force_p99 (from the answer to a PUT until the agent's schedules have the change, one change at a
time; nothing where it was quicker than the answer), rate (PUTs answered a second, over all
connections), all_in_force (from the last of these answers until the schedules have them all)."#;

/// Measure how soon a changed preference is in force
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct BenchChange {
    #[command(flatten)]
    bench: BenchArgs,
    /// How many changes one at a time, in a run
    #[arg(long, value_name = "N", default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    changes: u64,
    /// How many changes at once as fast as they are answered, in a run
    #[arg(long, value_name = "N", default_value_t = 50_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    burst: u64,
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 32,
        value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
}

impl BenchChange {
    pub(super) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let mut measurement = self.bench.begin("change", environment)?;
        let stage = measurement.stage(users::line).await?;
        let agent = Agent::ready_on(&stage, stage.client()?).await?.work();
        for run in measurement.runs() {
            let lags = self.one_by_one(&stage, &agent, run).await?;
            let (rate, all_in_force) = self.at_once(&stage, &agent, run).await?;
            let middle = median(&lags).context("there is a change at least")?;
            let high = p99(lags).context("there is a change at least")?;
            measurement.note("in_force_p50", "ms", middle);
            measurement.note("in_force_p99", "ms", high);
            measurement.note("rate", "changes/s", rate);
            measurement.note("all_in_force", "ms", all_in_force);
            let told = format!(
                "in force after {middle:.2} ms, p99 {high:.2} ms; {rate:.0} changes a second, all \
                 in force {all_in_force:.1} ms later"
            );
            measurement.end_run(run, &told);
        }
        agent.stop().await?;
        stage.end().await?;
        measurement.finish()
    }

    /// Returns the milliseconds from each answer until its change is in force.
    async fn one_by_one(
        &self,
        stage: &Stage,
        agent: &Working,
        run: u64,
    ) -> anyhow::Result<Vec<f64>> {
        let client = stage.client()?;
        let mut lags = Vec::with_capacity(self.changes as usize);
        for change in 0..self.changes {
            let tenant = users::tenant(change * 7_919 % self.bench.users);
            let receipt = client
                .set_feature_preference(&tenant, users::FEATURE, &changed(change, run))
                .await?;
            let answered = Instant::now();
            agent.scheduler.until_in_force(receipt.takes_effect_at).await;
            lags.push(answered.elapsed().as_secs_f64() * 1e3);
        }
        Ok(lags)
    }

    /// Returns the changes answered a second, and the milliseconds from the last answer until all
    /// are in force.
    async fn at_once(
        &self,
        stage: &Stage,
        agent: &Working,
        run: u64,
    ) -> anyhow::Result<(f64, f64)> {
        let put = |change: u64| {
            let tenant = users::tenant(change * 7_919 % self.bench.users);
            loopback::put(
                &format!("{BASE}/tenants/{tenant}/preferences/{}", users::FEATURE),
                &stage.key,
                &changed(change + 1, run).to_string(),
            )
        };
        let requests: Requests = Arc::new((0..self.burst).map(put).collect());
        let took = loopback::send_all(stage.address(), &requests, self.connections.into()).await?;
        let answered = Instant::now();
        let last = stage
            .client()?
            .set_feature_preference(&users::tenant(0), users::FEATURE, &changed(0, run + 1))
            .await?;
        agent.scheduler.until_in_force(last.takes_effect_at).await;
        Ok((self.burst as f64 / took.as_secs_f64(), answered.elapsed().as_secs_f64() * 1e3))
    }
}

/// Returns a preference for another time than the last run's, far from now.
fn changed(change: u64, run: u64) -> Value {
    let minute = (change * 13 + run * 7) % (24 * 60);
    json!({
        "frequency": "monthly", "preferred_day": 1 + change % 28,
        "preferred_time": format!("{:02}:{:02}", minute / 60, minute % 60),
        "timezone": "UTC", "template_overrides": {"tone": "professional"}
    })
}
