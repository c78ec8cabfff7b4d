//! What becomes of a user who is requeued.

use cohort_batch_agent::{AttemptQuery, Choice, Retried, Retry, RunId, RunState, StatusName};
use serde_json::json;

use super::{NINE, first_run, named, outcome_of, registry, retry, with_failures, with_failures_on};
use crate::handler::Script;
use crate::stage::{Backend, Stage, daily};

#[tokio::test]
async fn who_failed_is_requeued_on_the_same_row_under_the_same_key_and_with_settings_of_now() {
    who_failed_is_tried_again(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_too_who_failed_is_requeued_on_the_same_row_under_the_same_key() {
    who_failed_is_tried_again(Backend::Postgres).await;
}

async fn who_failed_is_tried_again(backend: Backend) {
    let (stage, agent) = with_failures_on(backend, 30, 2, &json!({})).await;
    let before = outcome_of(&stage, "u0").await;
    stage.handler.forget_scripts();
    let mut preference = daily("09:00");
    preference["template_overrides"] = json!({"tone": "dry"});
    stage.source.set("u0", preference);
    agent.until("2026-12-01T11:00:00Z").await;

    let retried = registry(&agent)
        .retry(&named(first_run(&stage).await.id, &["u0"]))
        .await
        .expect("requeued");
    assert_eq!(retried, Retried { requeued: 1 });
    let open = first_run(&stage).await;
    assert_eq!((open.state, open.counts.failed, open.closed_at), (RunState::Processing, 1, None));
    assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 requeued(rejected)"]);
    agent.until("2026-12-01T11:30:00Z").await;

    let after = outcome_of(&stage, "u0").await;
    assert_eq!((after.status, after.attempts, &after.key), (StatusName::Succeeded, 2, &before.key));
    assert_eq!(stage.told_of("u1").await, [format!("{NINE} failed(rejected)")]);
    let closed = first_run(&stage).await;
    assert_eq!(
        (closed.state, closed.counts.succeeded, closed.counts.failed),
        (RunState::Closed, 29, 1)
    );
    let calls = stage.handler.calls_of("u0");
    assert_eq!((calls.len(), calls[1].1.attempt, &calls[1].1.key), (2, 2, &calls[0].1.key));
    assert_eq!(calls[1].1.template_overrides["tone"], "dry", "the settings are read anew (M3)");
}

#[tokio::test]
async fn another_key_is_asked_for_and_stays_with_the_outcome() {
    let (stage, agent) = with_failures(1, 1, &json!({})).await;
    let run = first_run(&stage).await.id;
    for turn in 1..=2 {
        let new_key = Retry { new_key: turn == 1, ..retry(Choice::of_run(run)) };
        registry(&agent).retry(&new_key).await.expect("requeued");
        agent.until(&format!("2026-12-01T1{turn}:00:00Z")).await;
    }
    let keys: Vec<_> = stage.handler.calls_of("u0").into_iter().map(|(_, user)| user.key).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys[0] != keys[1] && keys[1] == keys[2], "{keys:?}");
    assert_eq!(stage.outcomes().await[0].key, keys[2]);
}

#[tokio::test]
async fn a_requeue_has_retries_and_a_deadline_of_its_own_and_every_attempt_is_listed() {
    let stage = Stage::with_daily_users(1, &json!({"deadline": "10m", "max_retries": 1}));
    stage.handler.script("u0", Script::Retry { times: 3, after_s: Some(30) });
    let agent = stage.agent().await;
    agent.until("2026-12-03T08:00:00Z").await;
    assert_eq!(stage.told_of("u0").await[0], format!("{NINE} failed(retries_exhausted)"));
    registry(&agent).retry(&retry(Choice::of_run(RunId(1)))).await.expect("requeued");
    agent.until("2026-12-03T08:30:00Z").await;

    assert_eq!(stage.told_of("u0").await[0], format!("{NINE} succeeded"));
    let (attempts, next) =
        stage.ledger().attempts(RunId(1), AttemptQuery::default()).await.expect("attempts");
    let told: Vec<_> = attempts.iter().map(|a| json!([a.attempt, a.status, a.error])).collect();
    let expected = [
        json!([1, "retried", "busy; asked to wait 30 s"]),
        json!([2, "failed", "busy; asked to wait 30 s"]),
        json!([3, "retried", "busy; asked to wait 30 s"]),
        json!([4, "succeeded", null]),
    ];
    assert_eq!((told, next), (expected.to_vec(), None));
}

#[tokio::test]
async fn todays_run_of_a_user_waits_for_a_requeue_and_is_not_skipped_for_several() {
    let stage = Stage::with_daily_users(1, &json!({"max_retries": 5}));
    stage.handler.script("u0", Script::Fail);
    let agent = stage.agent().await;
    agent.until("2026-12-04T08:50:00Z").await;
    stage.handler.script("u0", Script::Retry { times: 3, after_s: Some(20 * 60) });
    let job = stage.job.job_id.clone();
    let of_job = retry(Choice::of_job(job));
    assert_eq!(registry(&agent).retry(&of_job).await.expect("requeued").requeued, 3);
    agent.until("2026-12-04T09:20:00Z").await;
    assert_eq!(stage.told_of("u0").await.len(), 3, "the run of the fourth day waits");
    stage.handler.forget_scripts();
    agent.until("2026-12-04T09:45:00Z").await;
    let told = stage.told_of("u0").await;
    assert_eq!((told.len(), told[3].as_str()), (4, "2026-12-04T09:00 succeeded"), "{told:?}");
}

#[tokio::test]
async fn a_requeued_user_who_has_since_said_no_is_skipped() {
    let (stage, agent) = with_failures(2, 1, &json!({})).await;
    let mut off = daily("09:00");
    off["enabled"] = json!(false);
    stage.source.set("u0", off);
    registry(&agent).retry(&retry(Choice::of_run(RunId(1)))).await.expect("requeued");
    agent.until("2026-12-01T11:00:00Z").await;
    assert_eq!(stage.told_of("u0").await, [format!("{NINE} skipped(disabled)")]);
    let run = first_run(&stage).await;
    assert_eq!((run.state, run.counts.failed, run.counts.skipped), (RunState::Closed, 0, 1));
}
