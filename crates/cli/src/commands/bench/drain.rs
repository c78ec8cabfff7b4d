//! `cohort bench drain`: users who are all due at one instant, from that instant to the last
//! outcome.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use cohort_batch_agent::{AgentClock, Ledger, RunId, RunQuery, RunState, ShiftedClock};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::agent::{Agent, Called, Notes, Working};
use super::bare_drain;
use super::database::Database;
use super::due_users::{MOST_DUE_GROUPS, due_line};
use super::figure::p99;
use super::measurement::{BenchArgs, Measurement};
use super::memory::{forget_peak_memory, peak_memory};
use super::stage::Stage;
use crate::config::Environment;
use crate::failure::wrong_input;

const EXAMPLE: &str = r#"Example:
  cohort bench drain --users 100000 --runs 5
  cohort bench drain --users 10000 --groups 1000
  cohort bench drain --backend postgres --database-url postgres://… --agents 2

Each figure is a line {"workload","backend","n","metric","unit","value","runs"}: rate (users from
the due instant to the last outcome), bare_rate (the same pages over HTTP, read, a key and a synced
row for each user, by nothing else), ratio_to_bare, first_call_p99 (from the instant to the first
call of each group), call_p99 (to each user's call), peak_memory (of the whole process: service,
agent and all). The clock of the run is set to three seconds before the instant."#;

/// When the users are due in the first run, a Monday; in each further run it is a week later.
const FIRST_DUE: &str = "2026-12-07T09:00:00Z";

/// The most runs before clocks change, after which groups of different zones are due at different
/// instants.
const MOST_RUNS: u64 = 12;

/// How long before the instant the agent is at work.
const LEAD: SignedDuration = SignedDuration::from_secs(3);

/// How often the ledger is asked whether all is done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Measure how fast users who are due at one instant are done, with a handler that does nothing
#[derive(Args)]
#[command(
    after_help = EXAMPLE,
    mut_arg("runs", |runs| runs.value_parser(clap::value_parser!(u64).range(1..=MOST_RUNS)))
)]
pub(crate) struct BenchDrain {
    #[command(flatten)]
    bench: BenchArgs,
    /// In how many groups, all due at the one instant
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=MOST_DUE_GROUPS))]
    groups: u64,
    /// How many users are called at once
    #[arg(long, value_name = "N", default_value_t = 25,
        value_parser = clap::value_parser!(u16).range(25..))]
    max_concurrent_items: u16,
    /// How many agents share the work; more than one need --backend postgres
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=8))]
    agents: u8,
}

impl BenchDrain {
    pub(super) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let mut measurement = self.bench.begin("drain", environment)?;
        if self.agents > 1 && matches!(measurement.database, Database::Sqlite) {
            return Err(wrong_input(
                "--agents: one agent has a ledger on SQLite to itself; add --backend postgres",
            ));
        }
        let (clock, mut due) = (ShiftedClock::default(), FIRST_DUE.parse::<Timestamp>()?);
        clock.set_to(due - SignedDuration::from_hours(1));
        let line = |user| due_line(user, self.groups, due);
        let stage = measurement.stage_at(Arc::new(clock.clone()), line).await?;
        let agent_clock: Arc<dyn AgentClock> = Arc::new(clock.clone());
        let notes = Notes::new(Arc::clone(&agent_clock));
        let agents = self.agents(&stage, &agent_clock, &notes).await?;
        for run in measurement.runs() {
            forget_peak_memory();
            clock.set_to(due - LEAD);
            let took = self.drained(&*stage.ledger, due).await?.as_secs_f64();
            let bare_took = bare_drain::drain(&stage, due).await?.as_secs_f64();
            let users = measurement.users as f64;
            let (rate, bare_rate) = (users / took, users / bare_took);
            measurement.note("rate", "users/s", rate);
            measurement.note("bare_rate", "users/s", bare_rate);
            measurement.note("ratio_to_bare", "1", rate / bare_rate);
            note_calls(&mut measurement, &notes.take(), due);
            if let Some(memory) = peak_memory() {
                measurement.note("peak_memory", "MB", memory);
            }
            let told = format!(
                "{rate:.0} users a second, {took:.3} s in all; the bare path {bare_rate:.0}"
            );
            measurement.end_run(run, &told);
            due = due.checked_add((7 * 24).hours())?;
        }
        for agent in agents {
            agent.stop().await?;
        }
        stage.end().await?;
        measurement.finish()
    }

    /// Sets the agents to work, each with handles of its own, as in a process of its own.
    async fn agents(
        &self,
        stage: &Stage,
        clock: &Arc<dyn AgentClock>,
        notes: &Arc<Notes>,
    ) -> anyhow::Result<Vec<Working>> {
        let mut working = Vec::new();
        for _ in 0..self.agents {
            let ledger = match working.len() {
                0 => Arc::clone(&stage.ledger),
                _ => stage.scratch.open_ledger().await?,
            };
            let (client, clock, handler) = (stage.client()?, Arc::clone(clock), notes.clone());
            let at_once = self.max_concurrent_items.into();
            working.push(Agent::ready(client, ledger, clock, handler, at_once).await?.work());
        }
        Ok(working)
    }

    /// Waits for all outcomes, and returns how long it took from the instant to the last of them.
    async fn drained(&self, ledger: &dyn Ledger, due: Timestamp) -> anyhow::Result<Duration> {
        loop {
            let runs = ledger
                .runs(RunQuery { limit: Some(self.groups as usize), ..RunQuery::default() })
                .await?;
            let runs: Vec<_> = runs.into_iter().filter(|run| run.occurrence.at == due).collect();
            let done: u64 = runs
                .iter()
                .filter(|run| run.state == RunState::Closed)
                .map(|run| run.counts.succeeded)
                .sum();
            if done == self.bench.users {
                let last = runs
                    .iter()
                    .filter_map(|run| run.closed_at)
                    .max()
                    .context("a closed run has an end")?;
                return Ok(last.duration_since(due).unsigned_abs());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Notes how long after the instant each group's first call and each user's call came.
fn note_calls(measurement: &mut Measurement, calls: &[Called], due: Timestamp) {
    let mut first: HashMap<RunId, f64> = HashMap::new();
    for call in calls {
        let lag = milliseconds(call.at, due);
        first.entry(call.run).and_modify(|least| *least = least.min(lag)).or_insert(lag);
    }
    let all = calls.iter().map(|call| milliseconds(call.at, due)).collect();
    let lags = [("first_call_p99", first.into_values().collect()), ("call_p99", all)];
    for (metric, lags) in lags {
        if let Some(lag) = p99(lags) {
            measurement.note(metric, "ms", lag);
        }
    }
}

fn milliseconds(at: Timestamp, since: Timestamp) -> f64 {
    at.duration_since(since).as_secs_f64() * 1e3
}
