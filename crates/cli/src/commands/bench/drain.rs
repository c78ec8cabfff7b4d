//! `cohort bench drain`: users who are all due at one instant, from that instant to the last
//! outcome.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use cohort_batch_agent::{AgentClock, Ledger, RunId, RunQuery, RunState, ShiftedClock};
use jiff::{SignedDuration, Timestamp, ToSpan};
use tempfile::TempDir;

use super::agent::{Agent, Called, Notes};
use super::bare_drain;
use super::database::{Database, DatabaseArgs};
use super::due_users::{MOST_DUE_GROUPS, due_line};
use super::figure::{Workload, p99};
use super::memory::{forget_peak_memory, peak_memory};
use super::stage::{Stage, write_lines};
use crate::config::Environment;
use crate::failure::WrongInput;

const EXAMPLE: &str = r#"Example:
  cohort bench drain --users 100000 --runs 5
  cohort bench drain --users 10000 --groups 1000
  cohort bench drain --backend postgres --database-url postgres://… --agents 2

Each figure is a line {"workload","backend","n","metric","unit","value","runs"}: rate (users from the due instant to the
last outcome), bare_rate (the same pages over HTTP, read, a key and a synced row for each user, by nothing else),
ratio_to_bare, first_call_p99 (from the instant to the first call of each group), call_p99 (to each user's call),
peak_memory (of the whole process: service, agent and all). The clock of the run is set to three seconds before the instant."#;

/// When they are due in the first run: a Monday. In the next it is a week later.
const FIRST_DUE: &str = "2026-12-07T09:00:00Z";

/// Twelve weeks on, clocks are still to change; then groups of several zones part.
const MOST_RUNS: u64 = 12;

/// How long before the instant the agent is at work.
const LEAD: SignedDuration = SignedDuration::from_secs(3);

/// How often the ledger is asked whether all is done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Measure how fast users who are due at one instant are done, with a handler that does nothing
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct BenchDrain {
    /// How many users
    #[arg(long, value_name = "N", default_value_t = 100_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    users: u64,
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
    /// How many runs; a figure is their median
    #[arg(long, value_name = "N", default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=MOST_RUNS))]
    runs: u64,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// What the runs measured.
#[derive(Default)]
struct Measured {
    rates: Vec<f64>,
    bare_rates: Vec<f64>,
    ratios: Vec<f64>,
    first_calls: Vec<f64>,
    calls: Vec<f64>,
    memory: Vec<f64>,
}

impl BenchDrain {
    pub(super) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let database = self.database.database(environment)?;
        if self.agents > 1 && matches!(database, Database::Sqlite) {
            return Err(WrongInput(
                "--agents: one agent has a ledger on SQLite to itself; add --backend postgres"
                    .into(),
            )
            .into());
        }
        let (clock, mut due) = (ShiftedClock::default(), FIRST_DUE.parse::<Timestamp>()?);
        clock.set_to(due - SignedDuration::from_hours(1));
        let stage = self.fill(&database, &clock, due).await?;
        let agent_clock: Arc<dyn AgentClock> = Arc::new(clock.clone());
        let notes = Notes::new(Arc::clone(&agent_clock));
        let mut working = Vec::new();
        for agent in 0..self.agents {
            // Each has handles of its own, as in a process of its own.
            let ledger = if agent == 0 {
                Arc::clone(&stage.ledger)
            } else {
                stage.place.open_ledger().await?
            };
            let (clock, at_once) = (Arc::clone(&agent_clock), self.max_concurrent_items.into());
            working.push(
                Agent::ready(stage.client()?, ledger, clock, notes.clone(), at_once).await?.work(),
            );
        }
        let mut measured = Measured::default();
        for run in 1..=self.runs {
            forget_peak_memory();
            clock.set_to(due - LEAD);
            let took = self.drained(&*stage.ledger, due).await?;
            let rate = self.users as f64 / took.as_secs_f64();
            let bare_rate = self.users as f64 / bare_drain::drain(&stage, due).await?.as_secs_f64();
            eprintln!(
                "run {run}: {rate:.0} users a second, {:.3} s in all; the bare path {bare_rate:.0}",
                took.as_secs_f64()
            );
            measured.rates.push(rate);
            measured.bare_rates.push(bare_rate);
            measured.ratios.push(rate / bare_rate);
            measured.note_calls(&notes.take(), due);
            measured.memory.extend(peak_memory());
            due = due.checked_add((7 * 24).hours())?;
        }
        for agent in working {
            agent.stop().await?;
        }
        stage.end().await?;
        self.print(&database, &measured)
    }

    async fn fill(
        &self,
        database: &Database,
        clock: &ShiftedClock,
        due: Timestamp,
    ) -> anyhow::Result<Stage> {
        let input = TempDir::new().context("cannot make a folder")?;
        let lines = input.path().join("lines.jsonl");
        write_lines(&lines, (0..self.users).map(|user| due_line(user, self.groups, due)))?;
        let stage = Stage::with_clock(database, Arc::new(clock.clone())).await?;
        let started = Instant::now();
        stage.import(&lines, self.users).await?;
        eprintln!("{} users are stored in {:.1} s", self.users, started.elapsed().as_secs_f64());
        Ok(stage)
    }

    /// How long it took from the instant to the last outcome, once all of them are there.
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
            if done == self.users {
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

    fn print(&self, database: &Database, measured: &Measured) -> anyhow::Result<()> {
        let workload = Workload { name: "drain", backend: database.name(), users: self.users };
        workload.print("rate", "users/s", &measured.rates)?;
        workload.print("bare_rate", "users/s", &measured.bare_rates)?;
        workload.print("ratio_to_bare", "1", &measured.ratios)?;
        workload.print("first_call_p99", "ms", &measured.first_calls)?;
        workload.print("call_p99", "ms", &measured.calls)?;
        workload.print("peak_memory", "MB", &measured.memory)?;
        Ok(())
    }
}

impl Measured {
    fn note_calls(&mut self, calls: &[Called], due: Timestamp) {
        let mut first: HashMap<RunId, f64> = HashMap::new();
        for call in calls {
            let lag = milliseconds(call.at, due);
            first.entry(call.run).and_modify(|least| *least = least.min(lag)).or_insert(lag);
        }
        self.first_calls.extend(p99(first.into_values().collect()));
        self.calls.extend(p99(calls.iter().map(|call| milliseconds(call.at, due)).collect()));
    }
}

fn milliseconds(at: Timestamp, since: Timestamp) -> f64 {
    at.duration_since(since).as_secs_f64() * 1e3
}
