//! What is tried again, when, and what is not (D4, D5, D7).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cohort_batch_agent::{HandlerError, UserWork, handler_fn};
use jiff::SignedDuration;
use serde_json::json;

use crate::handler::Script;
use crate::stage::Stage;

const FOREVER: u32 = u32::MAX;
const END: &str = "2026-12-01T20:00:00Z";

#[tokio::test]
async fn pauses_between_attempts_stay_under_a_span_that_doubles() {
    let stage = Stage::with_daily_users(5, &json!({}));
    for user in 0..5 {
        stage.handler.script(&format!("u{user}"), Script::Retry { times: 3, after_s: None });
    }
    stage.run_until(END).await;

    stage.assert_each_succeeded_once(5, &["2026-12-01T09:00"]).await;
    assert!(stage.outcomes().await.iter().all(|outcome| outcome.attempts == 4));
    let at: Vec<_> = stage.handler.calls_of("u0").into_iter().map(|(at, _)| at).collect();
    assert_eq!(at.len(), 4);
    for (pair, span) in at.windows(2).zip([1, 2, 4]) {
        let pause = pair[1].duration_since(pair[0]);
        assert!(pause <= SignedDuration::from_secs(span), "{pause} after {span}");
        assert!(pause > SignedDuration::ZERO, "{pause}");
    }
}

#[tokio::test]
async fn retry_after_is_a_floor_under_the_pause() {
    let stage = Stage::with_daily_users(1, &json!({}));
    stage.handler.script("u0", Script::Retry { times: 1, after_s: Some(120) });
    stage.run_until(END).await;

    let calls = stage.handler.calls();
    assert!(calls[1].at.duration_since(calls[0].at) >= SignedDuration::from_secs(120));
    stage.assert_each_succeeded_once(1, &["2026-12-01T09:00"]).await;
}

#[tokio::test]
async fn a_user_who_never_succeeds_fails_after_the_retries_that_the_job_grants() {
    for (fields, attempts) in
        [(json!({}), 4), (json!({"max_retries": 1}), 2), (json!({"retry_failed": false}), 1)]
    {
        let stage = Stage::with_daily_users(2, &fields);
        stage.handler.script("u0", Script::Retry { times: FOREVER, after_s: None });
        stage.run_until(END).await;

        assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 failed(retries_exhausted)"]);
        assert_eq!(stage.told_of("u1").await, ["2026-12-01T09:00 succeeded"]);
        let failed = stage
            .outcomes()
            .await
            .into_iter()
            .find(|outcome| outcome.tenant_id.as_str() == "u0")
            .expect("an outcome");
        assert_eq!((failed.attempts, failed.detail.as_deref()), (attempts, Some("busy")));
        assert_eq!(stage.handler.calls_of("u0").len(), attempts as usize);
        assert_eq!(stage.handler.calls_of("u1").len(), 1);
    }
}

#[tokio::test]
async fn the_agents_retry_limit_holds_for_jobs_that_do_not_say_how_many() {
    for (fields, attempts) in [(json!({}), 3), (json!({"max_retries": 1}), 2)] {
        let stage = Stage::with_daily_users(1, &fields);
        stage.handler.script("u0", Script::Retry { times: FOREVER, after_s: None });
        stage.agent_of(stage.builder().retry_limit(2)).await.until(END).await;
        assert_eq!(stage.handler.calls_of("u0").len(), attempts);
    }
}

#[tokio::test]
async fn a_refused_user_fails_at_once_and_the_other_24_succeed() {
    for kind in ["individual_batch", "batch_as_object"] {
        let stage = Stage::with_daily_users(25, &json!({"type": kind}));
        stage.handler.script("u7", Script::Fail);
        stage.run_until(END).await;

        assert_eq!(stage.told_of("u7").await, ["2026-12-01T09:00 failed(rejected)"]);
        let run = &stage.runs().await[0];
        assert_eq!((run.counts.succeeded, run.counts.failed), (24, 1), "{kind}");
        assert_eq!(stage.handler.calls_of("u7").len(), 1);
    }
}

#[tokio::test]
async fn a_user_missing_from_the_answer_is_tried_again_in_a_smaller_chunk() {
    let stage = Stage::with_daily_users(25, &json!({"type": "batch_as_object"}));
    stage.handler.script("u7", Script::LeaveOut { times: 1 });
    stage.run_until(END).await;

    stage.assert_each_succeeded_once(25, &["2026-12-01T09:00"]).await;
    let sizes: Vec<_> = stage.handler.calls().iter().map(|call| call.users.len()).collect();
    assert_eq!(sizes, [25, 1]);
}

#[tokio::test]
async fn a_user_always_missing_from_the_answer_ends_as_retries_exhausted() {
    let stage = Stage::with_daily_users(1, &json!({}));
    stage.handler.script("u0", Script::LeaveOut { times: FOREVER });
    stage.run_until(END).await;

    assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 failed(retries_exhausted)"]);
}

#[tokio::test]
async fn a_call_that_fails_as_a_whole_is_tried_again_for_all_its_users() {
    let stage = Stage::with_daily_users(25, &json!({"type": "batch_as_object"}));
    stage.handler.script("u24", Script::Unreachable { times: 2, after_s: Some(40) });
    stage.run_until(END).await;

    stage.assert_each_succeeded_once(25, &["2026-12-01T09:00"]).await;
    let calls = stage.handler.calls();
    assert_eq!(calls.iter().map(|call| call.users.len()).collect::<Vec<_>>(), [25, 25, 25]);
    assert!(
        calls
            .windows(2)
            .all(|pair| pair[1].at.duration_since(pair[0].at) >= SignedDuration::from_secs(40))
    );
}

#[tokio::test]
async fn a_handler_that_panics_fails_that_call_and_nothing_else() {
    let stage = Stage::with_daily_users(25, &json!({}));
    stage.handler.script("u7", Script::Panic { times: FOREVER });
    stage.handler.script("u8", Script::Panic { times: 1 });
    stage.run_until(END).await;

    assert_eq!(stage.told_of("u7").await, ["2026-12-01T09:00 failed(retries_exhausted)"]);
    assert_eq!(stage.told_of("u8").await, ["2026-12-01T09:00 succeeded"]);
    assert_eq!(stage.runs().await[0].counts.succeeded, 24);
    assert_eq!(stage.handler.calls_of("u9").len(), 1);
}

#[tokio::test]
async fn no_attempt_begins_past_the_deadline() {
    let stage = Stage::with_daily_users(1, &json!({"deadline": "90s"}));
    stage.handler.script("u0", Script::Retry { times: 1, after_s: Some(120) });
    stage.run_until(END).await;

    assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 failed(retries_exhausted)"]);
    assert_eq!(stage.handler.calls().len(), 1);
}

#[tokio::test]
async fn a_user_whose_first_attempt_would_be_past_the_deadline_is_skipped_as_expired() {
    let stage = Stage::with_daily_users(3, &json!({"deadline": "10m"}));
    let agent = stage.agent().await;
    stage.now_away();
    agent.until("2026-12-01T09:15:00Z").await;
    stage.now_well();
    agent.until(END).await;

    assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 skipped(expired)"]);
    assert_eq!(stage.runs().await[0].counts.skipped, 3);
    assert_eq!(stage.handler.calls().len(), 0);
}

#[tokio::test]
async fn work_that_was_begun_and_ran_out_of_time_has_failed() {
    let stage = Stage::with_daily_users(1, &json!({"deadline": "10m"}));
    stage.handler.script("u0", Script::Retry { times: 1, after_s: Some(30) });
    let agent = stage.agent().await;
    agent.until("2026-12-01T09:00:10Z").await;
    stage.clock.advance_to(crate::stage::instant("2026-12-01T09:20:00Z"));
    agent.until(END).await;

    assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 failed(retries_exhausted)"]);
    assert_eq!(stage.handler.calls().len(), 1);
}

#[tokio::test]
async fn a_users_own_retries_go_on_where_an_agent_died() {
    let stage = Stage::with_daily_users(1, &json!({}));
    stage.handler.script("u0", Script::Retry { times: u32::MAX, after_s: Some(600) });
    stage.run_until("2026-12-01T09:15:00Z").await;
    stage.run_until(END).await;

    assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 failed(retries_exhausted)"]);
    assert_eq!(
        stage.handler.calls().iter().map(|call| call.users[0].attempt).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
}

#[tokio::test]
async fn faults_of_our_own_side_use_up_no_attempt_and_the_agent_says_what_it_lacks() {
    let stage = Stage::with_daily_users(1, &json!({"max_retries": 1}));
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let handler = handler_fn(move |_user: UserWork| {
        let is_ours = counted.fetch_add(1, Ordering::SeqCst) < 10;
        let lacking = || HandlerError::own_fault("no file descriptor");
        async move { if is_ours { Err(lacking()) } else { Ok(()) } }
    });
    let agent = stage.agent_of(stage.builder().handler("write", handler)).await;
    agent.until("2026-12-01T09:00:05Z").await;
    let told = agent.scheduler.unreadiness().await.expect("not ready");
    assert!(told.contains("this agent's own side: no file descriptor, since 2026-12-01"), "{told}");
    agent.until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(1, &["2026-12-01T09:00"]).await;
    assert_eq!(stage.outcomes().await[0].attempts, 1);
    assert_eq!(calls.load(Ordering::SeqCst), 11);
    assert_eq!(agent.scheduler.unreadiness().await, None);
}

#[tokio::test]
async fn an_answer_that_breaks_the_contract_fails_at_once() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let handler = handler_fn(move |_user: UserWork| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err::<(), _>(HandlerError::bad_answer("results: expected a list, got 7")) }
    });
    let builder = stage.builder().handler("write", handler);
    stage.agent_of(builder).await.until("2026-12-01T12:00:00Z").await;

    assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 failed(bad_answer)"]);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let detail = stage.outcomes().await[0].detail.clone();
    assert_eq!(detail.as_deref(), Some("results: expected a list, got 7"));
}
