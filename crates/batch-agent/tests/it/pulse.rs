//! A ledger that falls silent in the middle of a claim (F5).
//!
//! Planted, and red: calls begin without a look at the ledger.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cohort_batch_agent::{HandlerError, UserWork, handler_fn};
use cohort_preferences::Clock;
use jiff::SignedDuration;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::faulty_ledger::{Fate, FaultyLedger, Moment, Point, Refused};
use crate::live::live;
use crate::stage::{Stage, instant};

const USERS: usize = 200;

/// How long an agent may go on calling after its ledger has last confirmed something.
const SILENCE: Duration = Duration::from_secs(3);

/// What the ledger does with whoever comes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    /// It never answers, as one that was stopped.
    Frozen,
    /// It refuses records and has room for everything else, as a disk that is nearly full.
    RefusesRecords,
}

struct Moods(watch::Sender<Mood>);

#[async_trait]
impl Fate for Moods {
    async fn meet(&self, point: Point) -> Result<(), Refused> {
        let mut mood = self.0.subscribe();
        mood.wait_for(|mood| *mood != Mood::Frozen).await.expect("the sender lives");
        let is_record = point.operation == "ledger.record_outcomes";
        let is_refused = is_record && *self.0.borrow() == Mood::RefusesRecords;
        if is_refused && point.moment == Moment::Before { Err(Refused) } else { Ok(()) }
    }
}

/// Lets time pass for clock and timers, tenth by tenth of a second.
async fn pass(stage: &Stage, seconds: i64) {
    for _ in 0..seconds * 10 {
        stage.clock.advance_to(stage.clock.now() + SignedDuration::from_millis(100));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn no_call_begins_once_the_ledger_is(mood: Mood) {
    let stage = Stage::with_daily_users(USERS, &json!({}));
    let moods = Arc::new(Moods(watch::Sender::new(Mood::Well)));
    let begun: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let noted = Arc::clone(&begun);
    let handler = handler_fn(move |_user: UserWork| {
        noted.lock().expect("no panic holds it").push(Instant::now());
        async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok::<_, HandlerError>(())
        }
    });
    let ledger = Arc::new(FaultyLedger::new(stage.ledger(), moods.clone()));
    let builder = stage.builder_on(ledger).limited_handler("write", handler, Some(5));
    let agent = stage.agent_of(builder).await;
    let calls = || begun.lock().expect("no panic holds it").clone();
    live(&agent, Duration::from_secs(25), async {
        stage.clock.advance_to(instant("2026-12-01T09:00:00Z"));
        pass(&stage, 9).await;
        assert!(!calls().is_empty(), "the claim is in work");
        let fell_silent = Instant::now();
        moods.0.send_replace(mood);
        pass(&stage, 15).await;
        // A refusal is noticed when the first call of a chunk has come to its end and is recorded.
        let noticed = if mood == Mood::Frozen { SILENCE } else { SILENCE + SILENCE };
        let late = calls().iter().filter(|begun| **begun > fell_silent + noticed).count();
        assert_eq!(late, 0, "{mood:?}");
        moods.0.send_replace(Mood::Well);
        pass(&stage, 120).await;
    })
    .await;
    stage.assert_each_succeeded_once(USERS, &["2026-12-01T09:00"]).await;
    assert_eq!(calls().len(), USERS, "{mood:?}: each is called once");
}

#[tokio::test(start_paused = true)]
async fn no_call_begins_three_seconds_after_the_ledger_fell_silent_and_it_goes_on_by_itself() {
    no_call_begins_once_the_ledger_is(Mood::Frozen).await;
}

#[tokio::test(start_paused = true)]
async fn no_call_begins_while_a_result_cannot_be_recorded_though_the_ledger_takes_other_writes() {
    no_call_begins_once_the_ledger_is(Mood::RefusesRecords).await;
}
