//! Which users an operator requeues.

use cohort_batch_agent::{Choice, FailedReason, RegistryError};
use serde_json::json;

use super::{FOREVER, NINE, first_run, named, registry, retry, with_failures};
use crate::handler::Script;
use crate::stage::{Stage, instant};

#[tokio::test]
async fn who_is_named_must_have_failed_and_else_nobody_is_requeued() {
    let (stage, agent) = with_failures(3, 1, &json!({})).await;
    let run = first_run(&stage).await.id;
    let refused = registry(&agent).retry(&named(run, &["u0", "u1", "nobody"])).await;
    let Err(RegistryError::NotFailed(who)) = refused else { panic!("{refused:?}") };
    assert_eq!(who, "u1 (succeeded), nobody (no outcome there)");
    assert_eq!(stage.told_of("u0").await, [format!("{NINE} failed(rejected)")]);
    assert_eq!(registry(&agent).retry(&named(run, &["u0"])).await.expect("requeued").requeued, 1);
    let twice = registry(&agent).retry(&named(run, &["u0"])).await;
    assert!(
        matches!(&twice, Err(RegistryError::NotFailed(who)) if who == "u0 (requeued: rejected)"),
        "{twice:?}"
    );
}

#[tokio::test]
async fn of_two_who_requeue_at_once_one_does() {
    let (stage, agent) = with_failures(50, 50, &json!({})).await;
    stage.handler.forget_scripts();
    let run = first_run(&stage).await.id;
    let (registry, retry) = (registry(&agent), retry(Choice::of_run(run)));
    let (one, two) = tokio::join!(registry.retry(&retry), registry.retry(&retry));
    // Who finds that the other has requeued everybody has nothing to do.
    let requeued = [one, two].map(|retried| retried.map_or(0, |retried| retried.requeued));
    assert_eq!(requeued.iter().sum::<u64>(), 50);
    agent.until("2026-12-01T11:00:00Z").await;
    stage.assert_each_succeeded_once(50, &[NINE]).await;
    assert_eq!(stage.handler.calls().len(), 100);
    assert_eq!(first_run(&stage).await.counts.succeeded, 50);
}

#[tokio::test]
async fn dead_letters_of_a_job_are_requeued_across_runs_by_error_and_instant() {
    let stage = Stage::with_daily_users(2, &json!({"max_retries": 0}));
    stage.handler.script("u0", Script::Fail);
    stage.handler.script("u1", Script::Retry { times: FOREVER, after_s: None });
    let agent = stage.agent().await;
    agent.until("2026-12-03T10:00:00Z").await;
    stage.handler.forget_scripts();
    let of_job = Choice::of_job(stage.job.job_id.clone());
    let busy = retry(Choice {
        error: Some("busy".into()),
        since: Some(instant("2026-12-02T00:00:00Z")),
        ..of_job.clone()
    });
    assert_eq!(registry(&agent).retry(&busy).await.expect("requeued").requeued, 2);
    agent.until("2026-12-03T12:00:00Z").await;
    let days = |status: &str| ["01", "02", "03"].map(|day| format!("2026-12-{day}T09:00 {status}"));
    assert_eq!(stage.told_of("u0").await, days("failed(rejected)"));
    let [first, ..] = days("failed(retries_exhausted)");
    assert_eq!(
        stage.told_of("u1").await,
        [first, days("succeeded")[1].clone(), days("succeeded")[2].clone()]
    );

    let reason = Some(FailedReason::Rejected.as_str().into());
    let all = retry(Choice { reason, ..of_job });
    assert_eq!(registry(&agent).retry(&all).await.expect("requeued").requeued, 3);
    agent.until("2026-12-03T13:00:00Z").await;
    assert_eq!(
        stage.told_of("u0").await,
        days("succeeded"),
        "the day has passed, and it is done all the same"
    );
}
