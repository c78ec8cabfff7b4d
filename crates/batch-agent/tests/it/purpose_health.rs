//! The health of purposes: outages, pauses that a handler asks for, and operators (D4, D12).
//!
//! Broken on purpose, these turned red:
//! - every failed attempt counts (`Evidence::counts` is always true):
//!   `a_small_purpose_whose_handler_is_away_loses_nobody`, the simulation and
//!   `after_the_longest_outage_failures_count`
//! - none ever counts: `users_on_whom_the_handler_always_breaks_end_and_hold_up_nobody`,
//!   `after_the_longest_outage_failures_count`

use std::sync::{Arc, Mutex};

use cohort_batch_agent::{HealthState, PurposeHealth, handler_fn};
use cohort_ledger::AttemptQuery;
use cohort_preferences::{Clock, PurposeId};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::handler::Script;
use crate::source::Faults;
use crate::stage::{Backend, Stage, daily, instant, job};

const END: &str = "2026-12-01T20:00:00Z";
const DUE: &str = "2026-12-01T09:00:00Z";
const FOREVER: u32 = u32::MAX;

fn write() -> PurposeId {
    "write".parse().expect("a purpose")
}

/// The instants of calls, one for each user.
fn called_at(stage: &Stage) -> Vec<Timestamp> {
    let calls = stage.handler.calls();
    calls.iter().flat_map(|call| call.users.iter().map(|_| call.at)).collect()
}

async fn health(stage: &Stage) -> PurposeHealth {
    let mut known = stage.ledger().purpose_health().await.expect("reads");
    known.pop().unwrap_or_else(|| PurposeHealth::healthy(write()))
}

#[tokio::test]
async fn an_outage_loses_nobody_and_is_soon_made_up_for() {
    let (gone, back) = (instant(DUE), instant("2026-12-01T09:10:00Z"));
    for fields in [
        json!({}),
        json!({"type": "batch_as_object"}),
        json!({"max_retries": 1}),
        json!({"fair_share_by": "plan"}),
    ] {
        let stage = Stage::with_daily_users(1_000, &fields);
        stage.handler.is_away(gone, back);
        stage.run_until(END).await;

        stage.assert_each_succeeded_once(1_000, &["2026-12-01T09:00"]).await;
        let calls = stage.handler.calls();
        let meanwhile: Vec<_> =
            calls.iter().map(|call| call.at).filter(|at| *at > gone && *at < back).collect();
        assert!(meanwhile.len() <= 40, "one probe every 25 s: {} {fields}", meanwhile.len());
        assert!(
            meanwhile.windows(2).all(|pair| {
                pair[1].duration_since(pair[0]) >= SignedDuration::from_millis(999)
            }),
            "one call a second at most: {meanwhile:?}"
        );
        let last = called_at(&stage).into_iter().max().expect("calls");
        assert!(last <= back + SignedDuration::from_secs(60), "{last} {fields}");
        assert!(health(&stage).await.last_outage.is_some());
    }
}

#[tokio::test]
async fn who_failed_just_before_an_outage_was_noticed_keeps_all_retries() {
    let stage = Stage::with_daily_users(100, &json!({"max_retries": 1}));
    stage.source.set("late", daily("09:20"));
    stage.handler.is_away(instant(DUE), instant("2026-12-01T09:30:00Z"));
    stage.run_until(END).await;
    assert!(
        stage.outcomes().await.iter().all(|outcome| outcome.reason.is_none()),
        "nobody has failed"
    );
}

#[tokio::test]
async fn a_small_purpose_whose_handler_is_away_loses_nobody() {
    for users in [1, 2, 5, 19] {
        let stage = Stage::with_daily_users(users, &json!({}));
        stage.handler.is_away(instant(DUE), instant("2026-12-01T11:00:00Z"));
        stage.run_until(END).await;

        stage.assert_each_succeeded_once(users, &["2026-12-01T09:00"]).await;
        let last = called_at(&stage).into_iter().max().expect("calls");
        assert!(last <= instant("2026-12-01T11:00:55Z"), "{last}");
    }
}

#[tokio::test]
async fn users_on_whom_the_handler_always_breaks_end_and_hold_up_nobody() {
    for users in [10_usize, 200] {
        let stage = Stage::with_daily_users(users, &json!({}));
        let broken = users / 10;
        for user in 0..broken {
            let always = Script::Unreachable { times: FOREVER, after_s: None };
            stage.handler.script(&format!("u{user}"), always);
        }
        stage.run_until(END).await;

        let outcomes = stage.outcomes().await;
        assert_eq!(outcomes.len(), users);
        for outcome in outcomes {
            let user: usize = outcome.tenant_id.as_str()[1..].parse().expect("a number");
            let reason = (user < broken).then_some("retries_exhausted");
            assert_eq!(outcome.reason.as_deref(), reason, "u{user} of {users}");
            assert!(outcome.finished_at < instant("2026-12-01T09:05:00Z"), "u{user}");
        }
    }
}

#[tokio::test]
async fn after_the_longest_outage_failures_count() {
    let stage = Stage::with_daily_users(3, &json!({}));
    stage.handler.is_away(instant(DUE), instant("2026-12-01T19:00:00Z"));
    let builder = stage.builder().max_outage(SignedDuration::from_hours(1));
    stage.agent_of(builder).await.until(END).await;

    for outcome in stage.outcomes().await {
        assert_eq!(outcome.reason.as_deref(), Some("retries_exhausted"));
        assert_eq!(outcome.detail.as_deref(), Some("no answer"));
        assert!(outcome.finished_at >= instant("2026-12-01T10:00:00Z"));
        assert!(outcome.finished_at <= instant("2026-12-01T10:05:00Z"));
    }
    assert_eq!(stage.outcomes().await.len(), 3);
}

#[tokio::test]
async fn the_deadline_ends_work_also_while_its_purpose_is_failing() {
    let stage = Stage::with_daily_users(6_000, &json!({"deadline": "10m"}));
    stage.handler.is_away(instant(DUE), instant("2026-12-01T10:00:00Z"));
    stage.run_until("2026-12-01T09:20:00Z").await;

    let outcomes = stage.ledger().runs(cohort_batch_agent::RunQuery::default()).await;
    let run = outcomes.expect("runs").remove(0);
    assert_eq!(run.counts.members, 6_000);
    assert_eq!(run.counts.skipped + run.counts.failed, 6_000);
    assert!(run.counts.failed < 100, "only who was called has failed: {}", run.counts.failed);
}

#[tokio::test]
async fn another_purpose_goes_on() {
    let stage = Stage::with_daily_users(30, &json!({}));
    stage.handler.is_away(instant(DUE), instant("2026-12-01T10:00:00Z"));
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
async fn a_pause_that_is_asked_for_one_user_delays_that_user_alone() {
    for kind in ["individual_batch", "batch_as_object"] {
        let stage = Stage::with_daily_users(100, &json!({"type": kind}));
        stage.handler.script("u3", Script::Retry { times: 1, after_s: Some(120) });
        stage.run_until(END).await;

        stage.assert_each_succeeded_once(100, &["2026-12-01T09:00"]).await;
        let at = called_at(&stage);
        let late: Vec<_> = at.into_iter().filter(|at| *at > instant(DUE)).collect();
        assert_eq!(late, [instant("2026-12-01T09:02:00Z")], "{kind}");
        assert_eq!(health(&stage).await.revision, 0, "the handler is well: nothing is written");
    }
}

#[tokio::test]
async fn a_pause_that_is_asked_for_a_call_slows_the_whole_purpose_and_costs_nobody_an_attempt() {
    for kind in ["individual_batch", "batch_as_object"] {
        let stage = Stage::with_daily_users(100, &json!({"type": kind}));
        stage.source.faults(Faults { page_limit: Some(50), ..Faults::default() });
        stage.handler.script("u3", Script::Unreachable { times: 1, after_s: Some(120) });
        stage.run_until(END).await;

        stage.assert_each_succeeded_once(100, &["2026-12-01T09:00"]).await;
        let at = called_at(&stage);
        let early = at.into_iter().filter(|at| *at < instant("2026-12-01T09:02:00Z"));
        assert_eq!(early.count(), 25, "{kind}: who was called before it was heard");
        let attempts = stage.outcomes().await;
        let attempts = attempts.iter().filter(|outcome| outcome.attempts > 1).count();
        assert!(attempts <= 25 && (kind == "batch_as_object" || attempts == 1), "{attempts}");
    }
}

async fn what_one_agent_was_told_another_keeps_to(backend: Backend) {
    let stage = Stage::with_daily_users(1, &json!({})).on(backend).await;
    stage.source.set("u1", daily("09:01"));
    stage.handler.script("u0", Script::Unreachable { times: 1, after_s: Some(300) });
    stage.agent_of(stage.builder().holder("a")).await.until("2026-12-01T09:00:30Z").await;
    let other = stage.ledger_of_another_process().await;
    stage.agent_of(stage.builder_on(other).holder("b")).await.until(END).await;

    let at = called_at(&stage);
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
async fn an_absurd_pause_is_harmless() {
    for seconds in [30_000, 1_796_000_000, 999_999_999_999, u64::MAX] {
        for script in [
            Script::Unreachable { times: 1, after_s: Some(seconds) },
            Script::Retry { times: 1, after_s: Some(seconds) },
        ] {
            let stage = Stage::with_daily_users(2, &json!({}));
            stage.handler.script("u0", script);
            let builder = stage.builder().max_retry_after(SignedDuration::from_mins(15));
            stage.agent_of(builder).await.until("2026-12-01T09:14:00Z").await;
            // A restart reads what is stored.
            stage.run_until("2026-12-01T09:16:00Z").await;
            stage.assert_each_succeeded_once(2, &["2026-12-01T09:00"]).await;
            let run = stage.runs().await[0].id;
            let (attempts, _) =
                stage.ledger().attempts(run, AttemptQuery::default()).await.expect("attempts");
            let asked = format!("asked to wait {seconds} s, and is waited for 900 s");
            let told = attempts.iter().filter_map(|attempt| attempt.error.as_deref());
            assert!(told.into_iter().any(|error| error.contains(&asked)), "{attempts:?}");
        }
    }
}

#[tokio::test]
async fn an_operator_pauses_and_resumes_through_a_restart() {
    let stage = Stage::with_daily_users(30, &json!({}));
    let ledger = stage.ledger();
    let paused = PurposeHealth { state: HealthState::Paused, ..PurposeHealth::healthy(write()) };
    assert!(ledger.store_health(&paused).await.expect("stores"));
    stage.run_until("2026-12-01T10:00:00Z").await;
    stage.run_until("2026-12-01T11:00:00Z").await;
    assert_eq!(stage.handler.calls().len(), 0);
    let resumed = PurposeHealth { state: HealthState::Healthy, ..health(&stage).await };
    assert!(ledger.store_health(&resumed).await.expect("stores"));
    stage.run_until(END).await;
    stage.assert_each_succeeded_once(30, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn the_work_of_a_purpose_that_is_disabled_is_skipped() {
    let stage = Stage::with_daily_users(30, &json!({}));
    let health = PurposeHealth { state: HealthState::Disabled, ..PurposeHealth::healthy(write()) };
    assert!(stage.ledger().store_health(&health).await.expect("stores"));
    stage.run_until(END).await;
    assert_eq!(stage.handler.calls().len(), 0);
    assert_eq!(stage.told_of("u7").await, ["2026-12-01T09:00 skipped(purpose_disabled)"]);
    assert_eq!(stage.runs().await[0].counts.skipped, 30);
}

#[tokio::test]
async fn an_agent_that_died_with_the_probe_holds_nobody_up_for_long() {
    let stage = Stage::with_daily_users(30, &json!({}));
    stage.handler.is_away(instant(DUE), instant("2026-12-01T09:00:20Z"));
    stage.run_until("2026-12-01T09:00:10Z").await;
    for user in 0..30 {
        stage.handler.script(&format!("u{user}"), Script::Hang);
    }
    stage.run_until_killed().await;
    stage.handler.forget_scripts();
    stage.run_until("2026-12-01T09:02:00Z").await;
    stage.assert_each_succeeded_once(30, &["2026-12-01T09:00"]).await;
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
