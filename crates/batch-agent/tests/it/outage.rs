//! A ledger that is down, or full, for a while (F5).
//!
//! Planted, and red: readiness only asks the ledger whether it can be read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cohort_preferences::Clock;
use jiff::SignedDuration;
use serde_json::json;

use crate::faulty_ledger::{Fate, FaultyLedger, Moment, Point, Refused};
use crate::live::live;
use crate::stage::{Agent, Stage, instant};

/// What a full ledger refuses of what an agent does with it.
const WRITES: [&str; 8] = [
    "ledger.prove_writable",
    "ledger.renew_agent",
    "ledger.open_runs",
    "ledger.add_members",
    "ledger.claim_chunks",
    "ledger.renew_claims",
    "ledger.record_outcomes",
    "ledger.rescue_chunks",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    Over,
    Down,
    Full,
}

/// Refuses what the ledger cannot do at the moment.
struct Weather(Mutex<Outage>);

impl Weather {
    fn set(&self, outage: Outage) {
        *self.0.lock().expect("no panic holds it") = outage;
    }
}

#[async_trait]
impl Fate for Weather {
    async fn meet(&self, point: Point) -> Result<(), Refused> {
        let is_refused = match *self.0.lock().expect("no panic holds it") {
            Outage::Over => false,
            Outage::Down => true,
            Outage::Full => WRITES.contains(&point.operation),
        };
        if is_refused && point.moment == Moment::Before { Err(Refused) } else { Ok(()) }
    }
}

/// Lets time pass for clock and timers, second by second.
async fn pass(stage: &Stage, seconds: u32) {
    for _ in 0..seconds {
        stage.clock.advance_to(stage.clock.now() + SignedDuration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn outlive(outage: Outage) {
    let stage = Stage::with_daily_users(60, &json!({}));
    let weather = Arc::new(Weather(Mutex::new(Outage::Over)));
    let ledger = FaultyLedger::new(stage.ledger(), weather.clone());
    let agent: Agent = stage.agent_of(stage.builder_on(Arc::new(ledger))).await;
    stage.clock.advance_to(instant("2026-12-01T08:59:30Z"));
    live(&agent, Duration::from_secs(25), async {
        pass(&stage, 20).await;
        assert_eq!(agent.scheduler.unreadiness().await, None, "{outage:?}");
        weather.set(outage);
        pass(&stage, 40).await;
        let told = agent.scheduler.unreadiness().await;
        assert!(
            told.as_ref().is_some_and(|told| told.starts_with("the ledger: ")),
            "{outage:?}: {told:?}"
        );
        assert_eq!(
            stage.handler.calls().len(),
            0,
            "{outage:?}: what could not be recorded is not begun"
        );
        weather.set(Outage::Over);
        pass(&stage, 90).await;
        assert_eq!(agent.scheduler.unreadiness().await, None, "{outage:?}");
    })
    .await;
    stage.assert_each_succeeded_once(60, &["2026-12-01T09:00"]).await;
    assert_eq!(stage.handler.calls().len(), 60);
}

#[tokio::test(start_paused = true)]
async fn while_the_ledger_is_down_the_agent_is_not_ready_and_calls_nobody_and_it_goes_on_by_itself()
{
    outlive(Outage::Down).await;
}

#[tokio::test(start_paused = true)]
async fn while_the_ledger_is_full_the_agent_is_not_ready_and_calls_nobody_and_it_goes_on_by_itself()
{
    outlive(Outage::Full).await;
}
