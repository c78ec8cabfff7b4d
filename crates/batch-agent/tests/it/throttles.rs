//! How fast a purpose is called: `Retry-After` holds for all of its users and all agents, and
//! retries have a budget (D4).
//!
//! - only the user who was told so waits: the first two
//! - the ledger is not told: `what_one_agent_was_told_another_keeps_to_on_sqlite`
//! - all purposes are slowed: `another_purpose_goes_on`
//! - the budget is not asked: `retries_are_at_most_a_tenth_of_the_first_calls_of_a_minute`
//! - chunks wait for the budget behind the deadline:
//!   `who_waits_for_the_budget_fails_at_the_deadline`
//! - a wait for settings is always 5 s: `a_chunk_that_waits_for_settings_asks_ever_more_seldom`

use std::sync::{Arc, Mutex};

use cohort_batch_agent::handler_fn;
use cohort_preferences::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::handler::Script;
use crate::source::Faults;
use crate::stage::{Backend, Stage, daily, instant, job};

const END: &str = "2026-12-01T20:00:00Z";
const DUE: &str = "2026-12-01T09:00:00Z";

/// The instants of calls, one for each user.
fn called_at(stage: &Stage, is_wanted: impl Fn(u32) -> bool) -> Vec<Timestamp> {
    let calls = stage.handler.calls();
    calls
        .iter()
        .flat_map(|call| call.users.iter().filter(|user| is_wanted(user.attempt)).map(|_| call.at))
        .collect()
}

#[tokio::test]
async fn a_retry_after_for_one_user_slows_the_whole_purpose_and_costs_nobody_an_attempt() {
    for kind in ["individual_batch", "batch_as_object"] {
        let stage = Stage::with_daily_users(100, &json!({"type": kind}));
        // Of each claim two chunks are in hand, and whichever is called first is told to wait.
        stage.source.faults(Faults { page_limit: Some(50), ..Faults::default() });
        let slow = ["u3", "u28"];
        for user in slow {
            stage.handler.script(user, Script::Retry { times: 1, after_s: Some(120) });
        }
        stage.run_until(END).await;

        stage.assert_each_succeeded_once(100, &["2026-12-01T09:00"]).await;
        let at = called_at(&stage, |_| true);
        let early: Vec<_> =
            at.into_iter().filter(|at| *at < instant("2026-12-01T09:02:00Z")).collect();
        assert_eq!(early, [instant(DUE); 25], "{kind}");
        let outcomes = stage.outcomes().await;
        assert!(
            outcomes
                .iter()
                .all(|outcome| outcome.attempts == 1 || slow.contains(&outcome.tenant_id.as_str())),
            "{kind}"
        );
    }
}

async fn what_one_agent_was_told_another_keeps_to(backend: Backend) {
    let stage = Stage::with_daily_users(1, &json!({})).on(backend).await;
    stage.source.set("u1", daily("09:01"));
    stage.handler.script("u0", Script::Retry { times: 1, after_s: Some(300) });
    stage.agent_of(stage.builder().holder("a")).await.until("2026-12-01T09:00:30Z").await;
    let other = stage.ledger_of_another_process().await;
    stage.agent_of(stage.builder_on(other).holder("b")).await.until(END).await;

    let at = called_at(&stage, |_| true);
    assert_eq!(at[0], instant(DUE));
    assert!(
        at.len() == 3 && at[1..].iter().all(|at| *at >= instant("2026-12-01T09:05:00Z")),
        "{at:?}"
    );
}

#[tokio::test]
async fn what_one_agent_was_told_another_keeps_to_on_sqlite() {
    what_one_agent_was_told_another_keeps_to(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_agent_was_told_another_keeps_to_on_postgres() {
    what_one_agent_was_told_another_keeps_to(Backend::Postgres).await;
}

#[tokio::test]
async fn another_purpose_goes_on() {
    let stage = Stage::with_daily_users(30, &json!({}));
    stage.handler.script("u0", Script::Retry { times: 1, after_s: Some(600) });
    let called: Arc<Mutex<Vec<Timestamp>>> = Arc::default();
    let (clock, calls) = (stage.clock.clone(), Arc::clone(&called));
    let other = handler_fn(move |_user: cohort_batch_agent::UserWork| {
        calls.lock().expect("no call panics").push(clock.now());
        async { Ok(()) }
    });
    let builder = stage.builder().handler("other", other);
    let builder =
        builder.jobs([job(&json!({"job_id": "other", "purpose_id": "other", "priority": "low"}))]);
    stage.agent_of(builder).await.until(END).await;

    let called = called.lock().expect("no call panics");
    assert!(called.len() == 30 && called.iter().all(|at| *at == instant(DUE)), "{called:?}");
}

#[tokio::test]
async fn retries_are_at_most_a_tenth_of_the_first_calls_of_a_minute() {
    let stage = Stage::with_daily_users(1_000, &json!({}));
    for user in 0..1_000 {
        stage.handler.script(&format!("u{user}"), Script::Retry { times: 1, after_s: None });
    }
    stage.run_until(END).await;

    stage.assert_each_succeeded_once(1_000, &["2026-12-01T09:00"]).await;
    let retries = called_at(&stage, |attempt| attempt > 1);
    let minute = SignedDuration::from_secs(59);
    let most = retries
        .iter()
        .map(|from| {
            retries.iter().filter(|at| *at >= from && at.duration_since(*from) <= minute).count()
        })
        .max();
    assert!(
        most.is_some_and(|most| (61..=100).contains(&most)),
        "a tenth of 1,000, and then 60 a minute: {most:?}"
    );
    assert!(
        retries.iter().all(|at| *at < instant("2026-12-01T10:00:00Z")),
        "and nobody is left for long"
    );
}

#[tokio::test]
async fn a_few_failures_are_tried_again_without_waiting_for_the_budget() {
    let stage = Stage::with_daily_users(1_000, &json!({"type": "batch_as_object"}));
    for user in (0..1_000).step_by(20) {
        stage.handler.script(&format!("u{user}"), Script::Retry { times: 1, after_s: None });
    }
    stage.run_until(END).await;
    stage.assert_each_succeeded_once(1_000, &["2026-12-01T09:00"]).await;
    assert!(
        stage
            .outcomes()
            .await
            .iter()
            .all(|outcome| outcome.finished_at <= instant("2026-12-01T09:00:01Z"))
    );
}

#[tokio::test]
async fn who_waits_for_the_budget_fails_at_the_deadline() {
    let stage = Stage::with_daily_users(200, &json!({"deadline": "90s"}));
    for user in 0..200 {
        stage.handler.script(&format!("u{user}"), Script::Retry { times: u32::MAX, after_s: None });
    }
    stage.run_until(END).await;

    let outcomes = stage.outcomes().await;
    assert_eq!(outcomes.len(), 200);
    assert!(outcomes.iter().all(|outcome| outcome.reason.as_deref() == Some("retries_exhausted")));
    assert!(outcomes.iter().all(|outcome| outcome.finished_at <= instant("2026-12-01T09:01:31Z")));
    assert!(called_at(&stage, |_| true).iter().all(|at| *at <= instant("2026-12-01T09:01:30Z")));
}

#[tokio::test]
async fn a_chunk_that_waits_for_settings_asks_ever_more_seldom() {
    let stage = Stage::with_daily_users(1, &json!({}));
    stage.handler.script("u0", Script::Retry { times: 1, after_s: Some(4_000) });
    let agent = stage.agent().await;
    agent.until("2026-12-01T09:30:00Z").await;
    stage.now_away();
    let asked = stage.source.settings_requests();
    agent.until("2026-12-01T10:36:40Z").await;
    let times = stage.source.settings_requests() - asked;
    assert!((30..=70).contains(&times), "half an hour at up to 60 s each: {times}");
    stage.now_well();
    agent.until("2026-12-01T10:38:00Z").await;
    assert_eq!(stage.outcomes().await[0].attempts, 2, "waiting is no attempt");
}
