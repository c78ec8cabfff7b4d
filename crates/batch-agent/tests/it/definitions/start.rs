//! Agents of different age and with different files.

use std::time::Duration;

use cohort_batch_agent::{DynamicBatchScheduler, ScheduleError, StartReport};
use cohort_preferences::BatchDocuments;
use serde_json::json;

use super::{apply, config, job, one_job, told, told_runs};
use crate::stage::Stage;

#[tokio::test]
async fn what_an_agent_cannot_serve_it_refuses_at_its_start_and_leaves_out_while_it_runs() {
    let stage = Stage::with_daily_users(2, &json!({}));
    apply(&stage, &one_job(&json!({"chunk_size": 5}))).await;
    let agent = stage.agent_of(stage.stored_builder().max_concurrent_items(5)).await;
    // Only the other agent can have chunks of 25 in hand.
    apply(
        &stage,
        &config(&[
            job("write_posts", &json!({"chunk_size": 4})),
            job("big", &json!({"chunk_size": 25})),
        ]),
    )
    .await;
    agent.until("2026-12-01T12:00:00Z").await;
    assert_eq!(told_runs(&stage).await, ["2026-12-01T09:00 v2 succeeded=2 skipped=0 missed=0 -"]);

    let processor = stage.stored_builder().max_concurrent_items(5).build().expect("a processor");
    let scheduler = DynamicBatchScheduler::new(processor, Duration::from_mins(1));
    let refused = scheduler.initialize_dynamic_schedules().await;
    assert!(
        matches!(&refused,
            Err(ScheduleError::Unserved(error)) if error.to_string().contains("big")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_old_agent_that_is_restarted_with_its_old_file_does_not_take_back_a_later_apply() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let (old, new) = (one_job(&json!({})), one_job(&json!({"priority": "high"})));
    let start = async |agent: &str, file: &BatchDocuments| {
        stage.registry().apply_at_start(file, agent).await.expect("started")
    };
    assert!(matches!(start("a", &old).await, StartReport::Applied(_)));
    assert!(matches!(start("b", &new).await,
            StartReport::Applied(report) if told(&report)[0] == "write_posts updated v2"));
    assert_eq!(start("a", &old).await, StartReport::Known { in_force: false });
    assert_eq!(start("b", &new).await, StartReport::Known { in_force: true });
    apply(&stage, &config(&[])).await;
    assert_eq!(start("b", &new).await, StartReport::Known { in_force: false });
    // Another file than the last time says something new, also if it is an older one.
    assert!(matches!(start("b", &old).await,
            StartReport::Applied(report) if told(&report)[0] == "write_posts created v4"));
    assert!(matches!(start("a", &new).await,
            StartReport::Applied(report) if told(&report)[0] == "write_posts updated v5"));
}

#[tokio::test]
async fn two_agents_of_different_age_come_to_the_same_jobs() {
    let stage = Stage::with_daily_users(2, &json!({}));
    apply(&stage, &one_job(&json!({}))).await;
    let a = stage.agent_of(stage.stored_builder().holder("a")).await;
    apply(&stage, &one_job(&json!({"priority": "low"}))).await;
    let b = stage.agent_of(stage.stored_builder().holder("b")).await;
    tokio::join!(a.until("2026-12-01T12:00:00Z"), b.until("2026-12-01T12:00:00Z"));
    assert_eq!(told_runs(&stage).await, ["2026-12-01T09:00 v2 succeeded=2 skipped=0 missed=0 -"]);
    apply(&stage, &config(&[])).await;
    tokio::join!(a.until("2026-12-02T12:00:00Z"), b.until("2026-12-02T12:00:00Z"));
    assert_eq!(stage.runs().await.len(), 1);
}
