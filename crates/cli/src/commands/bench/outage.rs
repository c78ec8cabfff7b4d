//! `cohort bench outage`: users who are all due at one instant while their handler is away, and how
//! fast they are done once it is back (D12).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use clap::Args;
use cohort_batch_agent::{
    AgentClock, Handler, HandlerError, Ledger, RunQuery, ShiftedClock, UserResult, Work,
};
use cohort_preferences::parse_duration;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::agent::Agent;
use super::due_users::due_line;
use super::measurement::{BenchArgs, Measurement};
use crate::config::Environment;

const EXAMPLE: &str = r#"Example:
  cohort bench outage --users 100000 --outage 10m --runs 1

The users are due twice: at nine o'clock with the handler well, and a week later with the handler
away from the instant on. Each figure is a line {"workload","backend","n","metric","unit","value",
"runs"}: healthy_rate (users a second with the handler well), calls_a_second (the most calls within
one second while it is away, without the first second, in which that is found out),
calls_while_away, failed (users who failed, which should be none), recovery (from the handler's
return until a second with 80 % of the healthy rate)."#;

/// When the users are due with the handler well, a Monday.
const FIRST_DUE: &str = "2026-12-07T09:00:00Z";

/// The most runs before clocks change.
const MOST_RUNS: u64 = 6;

/// How long before the instant the agent is at work.
const LEAD: SignedDuration = SignedDuration::from_secs(3);

/// How often the ledger is asked whether all is done.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a call takes while the handler is well, so that the healthy rate is not the machine's.
const CALL_TAKES: Duration = Duration::from_millis(5);

/// The share of the healthy rate that counts as recovered.
const RECOVERED: f64 = 0.8;

/// The parts of a second in which successes are counted.
const SLOTS_A_SECOND: u32 = 10;

/// Measure what an outage of the handler costs: calls meanwhile, failures, and the time afterwards
#[derive(Args)]
#[command(
    after_help = EXAMPLE,
    mut_arg("runs", |runs| {
        runs.default_value("1").value_parser(clap::value_parser!(u64).range(1..=MOST_RUNS))
    })
)]
pub(crate) struct BenchOutage {
    #[command(flatten)]
    bench: BenchArgs,
    /// How long the handler is away, such as 60s or 10m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    outage: SignedDuration,
}

/// A handler that may be away, and counts by the host's time.
struct FlakyHandler {
    is_away: AtomicBool,
    began: Instant,
    /// Calls while it was away, by second since the beginning.
    refused: Mutex<BTreeMap<u64, u64>>,
    /// Successes, by part of a second since the beginning.
    succeeded: Mutex<BTreeMap<u64, u64>>,
}

impl FlakyHandler {
    fn count(counts: &Mutex<BTreeMap<u64, u64>>, part: u64) {
        *counts.lock().expect("nobody panics while it counts").entry(part).or_default() += 1;
    }

    fn take(counts: &Mutex<BTreeMap<u64, u64>>) -> BTreeMap<u64, u64> {
        std::mem::take(&mut *counts.lock().expect("nobody panics while it counts"))
    }

    fn slot(&self) -> u64 {
        self.began.elapsed().as_millis() as u64 * u64::from(SLOTS_A_SECOND) / 1_000
    }
}

#[async_trait]
impl Handler for FlakyHandler {
    async fn call(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        if self.is_away.load(Ordering::SeqCst) {
            Self::count(&self.refused, self.began.elapsed().as_secs());
            return Err(HandlerError::retry("answered 503 Service Unavailable"));
        }
        tokio::time::sleep(CALL_TAKES).await;
        Self::count(&self.succeeded, self.slot());
        Ok(work.users.iter().map(|user| UserResult::succeeded(user.tenant_id.clone())).collect())
    }
}

impl BenchOutage {
    pub(super) async fn run(&self, environment: &Environment) -> anyhow::Result<()> {
        let mut measurement = self.bench.begin("outage", environment)?;
        let (clock, mut due) = (ShiftedClock::default(), FIRST_DUE.parse::<Timestamp>()?);
        clock.set_to(due - SignedDuration::from_hours(1));
        let line = |user| due_line(user, 1, due);
        let stage = measurement.stage_at(Arc::new(clock.clone()), line).await?;
        let handler = Arc::new(FlakyHandler {
            is_away: AtomicBool::new(false),
            began: Instant::now(),
            refused: Mutex::default(),
            succeeded: Mutex::default(),
        });
        let agent_clock: Arc<dyn AgentClock> = Arc::new(clock.clone());
        let (client, ledger) = (stage.client()?, Arc::clone(&stage.ledger));
        let agent = Agent::ready(client, ledger, agent_clock, handler.clone(), 25).await?.work();
        for run in measurement.runs() {
            clock.set_to(due - LEAD);
            self.drained(&*stage.ledger, due).await?;
            let healthy_rate = rate(&FlakyHandler::take(&handler.succeeded))
                .context("too few users to tell a rate")?;
            due = due.checked_add((7 * 24).hours())?;
            handler.is_away.store(true, Ordering::SeqCst);
            clock.set_to(due - LEAD);
            tokio::time::sleep(LEAD.unsigned_abs() + self.outage.unsigned_abs()).await;
            let back = handler.slot();
            handler.is_away.store(false, Ordering::SeqCst);
            let failed = self.drained(&*stage.ledger, due).await?;
            let refused = FlakyHandler::take(&handler.refused);
            let recovered = recovery(&FlakyHandler::take(&handler.succeeded), back, healthy_rate)
                .context("the healthy rate did not come back before all was done")?;
            note(&mut measurement, healthy_rate, &refused, failed, recovered);
            measurement.end_run(run, &format!("{recovered:.1} s to 80 % of {healthy_rate:.0}/s"));
            due = due.checked_add((7 * 24).hours())?;
        }
        agent.stop().await?;
        stage.end().await?;
        measurement.finish()
    }

    /// Waits until each user has an outcome, and returns how many have failed.
    async fn drained(&self, ledger: &dyn Ledger, due: Timestamp) -> anyhow::Result<u64> {
        loop {
            let query = RunQuery { limit: Some(1), ..RunQuery::default() };
            let runs = ledger.runs(query).await?;
            let run = runs.into_iter().find(|run| run.occurrence.at == due);
            if let Some(counts) = run.map(|run| run.counts)
                && counts.succeeded + counts.failed == self.bench.users
            {
                return Ok(counts.failed);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn note(
    measurement: &mut Measurement,
    healthy_rate: f64,
    refused: &BTreeMap<u64, u64>,
    failed: u64,
    recovered: f64,
) {
    let most = refused.values().skip(1).max().copied().unwrap_or_default();
    let all: u64 = refused.values().sum();
    measurement.note("healthy_rate", "users/s", healthy_rate);
    measurement.note("calls_a_second", "1/s", most as f64);
    measurement.note("calls_while_away", "1", all as f64);
    measurement.note("failed", "users", failed as f64);
    measurement.note("recovery", "s", recovered);
}

/// The median rate of a second, without the parts in which it began and ended.
fn rate(succeeded: &BTreeMap<u64, u64>) -> Option<f64> {
    let mut slots: Vec<u64> = succeeded.values().copied().collect();
    slots.pop();
    slots = slots.into_iter().skip(1).collect();
    slots.sort_unstable();
    let median = slots.get(slots.len() / 2)?;
    Some((median * u64::from(SLOTS_A_SECOND)) as f64)
}

/// The seconds from the handler's return until the end of the first second with enough successes.
fn recovery(succeeded: &BTreeMap<u64, u64>, back: u64, healthy_rate: f64) -> Option<f64> {
    let last = *succeeded.keys().last()?;
    let slots = u64::from(SLOTS_A_SECOND);
    let recovered = (back..=last).find(|first| {
        let second: u64 = succeeded.range(*first..first + slots).map(|(_, count)| count).sum();
        second as f64 >= RECOVERED * healthy_rate
    })?;
    Some((recovered + slots - back) as f64 / f64::from(SLOTS_A_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_recovered_at_the_end_of_the_first_second_with_enough_successes() {
        let well = |slots: std::ops::Range<u64>| slots.map(|slot| (slot, 100)).collect();
        let all: BTreeMap<u64, u64> = well(0..30);
        assert_eq!(rate(&all), Some(1_000.0));
        assert_eq!(recovery(&well(50..80), 30, 1_000.0), Some(2.8));
        assert_eq!(recovery(&well(50..52), 30, 1_000.0), None);
    }
}
