//! An operator pauses, resumes and triggers a job.

use cohort_batch_agent::{JobRegistry, RegistryError, RunId};
use serde_json::json;

use super::{apply, name, one_job, stored_agent, told_runs};
use crate::stage::{Stage, daily, instant};

#[tokio::test]
async fn a_paused_job_records_what_falls_due_and_a_resumed_one_starts_at_now() {
    let stage = Stage::with_daily_users(3, &json!({}));
    apply(&stage, &one_job(&json!({"misfire": "all"}))).await;
    let agent = stored_agent(&stage).await;
    agent.until("2026-12-01T12:00:00Z").await;
    stage.registry().pause(&name()).await.expect("paused");
    let again = stage.registry().pause(&name()).await;
    assert!(matches!(again, Err(RegistryError::AlreadySo { .. })), "{again:?}");
    agent.until("2026-12-03T09:00:00Z").await;
    stage.registry().resume(&name()).await.expect("resumed");
    let again = stage.registry().resume(&name()).await;
    assert!(matches!(again, Err(RegistryError::AlreadySo { .. })), "{again:?}");
    agent.until("2026-12-04T12:00:00Z").await;

    let expected = [
        "2026-12-01T09:00 v1 succeeded=3 skipped=0 missed=0 -",
        "2026-12-02T09:00 v1 succeeded=0 skipped=3 missed=0 job_paused",
        "2026-12-03T09:00 v1 succeeded=0 skipped=3 missed=0 job_paused",
        "2026-12-04T09:00 v1 succeeded=3 skipped=0 missed=0 -",
    ];
    assert_eq!(told_runs(&stage).await, expected);
}

#[tokio::test]
async fn a_pause_and_its_end_while_no_agent_runs_are_told_apart_from_downtime() {
    let stage = Stage::with_daily_users(3, &json!({}));
    apply(&stage, &one_job(&json!({}))).await;
    stored_agent(&stage).await.until("2026-12-01T12:00:00Z").await;
    stage.clock.advance_to(instant("2026-12-02T12:00:00Z"));
    stage.registry().pause(&name()).await.expect("paused");
    stage.clock.advance_to(instant("2026-12-03T12:00:00Z"));
    stage.registry().resume(&name()).await.expect("resumed");
    stage.clock.advance_to(instant("2026-12-04T12:00:00Z"));
    stored_agent(&stage).await.until("2026-12-04T12:00:00Z").await;

    let expected = [
        "2026-12-01T09:00 v1 succeeded=3 skipped=0 missed=0 -",
        "2026-12-02T09:00 v1 succeeded=0 skipped=0 missed=3 downtime",
        "2026-12-03T09:00 v1 succeeded=0 skipped=3 missed=0 job_paused",
        "2026-12-04T09:00 v1 succeeded=3 skipped=0 missed=0 -",
    ];
    assert_eq!(told_runs(&stage).await, expected);
}

#[tokio::test]
async fn a_job_that_is_not_there_cannot_be_paused() {
    let stage = Stage::with_daily_users(1, &json!({}));
    let refused = stage.registry().pause(&name()).await;
    assert!(matches!(refused, Err(RegistryError::NoSuchJob(_))), "{refused:?}");
}

#[tokio::test]
async fn a_trigger_runs_everybody_now_also_of_a_paused_job_and_does_not_count_as_the_days_run() {
    let stage = Stage::with_daily_users(2, &json!({}));
    stage.source.set("late", daily("21:00"));
    apply(&stage, &one_job(&json!({}))).await;
    let agent = stored_agent(&stage).await;
    agent.until("2026-12-01T08:00:00Z").await;
    let registry = JobRegistry::of_agent(&agent.processor);
    let triggered = registry.trigger(&name()).await.expect("triggered");
    let nominal = triggered.firing.nominal.to_string();
    assert_eq!(
        (triggered.runs.len(), triggered.firing.at, nominal.starts_with("trigger:")),
        (2, stage.now(), true)
    );
    agent.until("2026-12-01T12:00:00Z").await;
    assert_eq!(
        stage.told_of("u0").await,
        [format!("{nominal} succeeded"), "2026-12-01T09:00 succeeded".into()]
    );
    stage.registry().pause(&name()).await.expect("paused");
    agent.until("2026-12-01T13:00:00Z").await;
    stage.source.set(
        "late",
        json!({"frequency": "daily", "preferred_time": "21:00", "timezone": "UTC",
            "enabled": false}),
    );
    let again = registry.trigger(&name()).await.expect("triggered").firing.nominal.to_string();
    agent.until("2026-12-01T22:00:00Z").await;

    assert_ne!(nominal, again);
    // They left a microsecond after the second trigger's instant: still a member (M1), and not
    // called any more (M2).
    assert_eq!(
        stage.told_of("late").await,
        [format!("{nominal} succeeded"), format!("{again} skipped(disabled)")]
    );
    assert_eq!(stage.told_of("u0").await.last(), Some(&format!("{again} succeeded")));
    let lost = registry.trigger(&"lost".parse().expect("a name")).await;
    assert!(matches!(lost, Err(RegistryError::NoSuchJob(_))), "{lost:?}");
    let without_agent = stage.registry().trigger(&name()).await;
    assert!(matches!(without_agent, Err(RegistryError::NoAgent)), "{without_agent:?}");
}

#[tokio::test]
async fn operations_are_refused_until_the_groups_are_read() {
    let stage = Stage::with_daily_users(1, &json!({}));
    apply(&stage, &one_job(&json!({}))).await;
    let processor = stage.stored_builder().build().expect("a processor");
    let registry = JobRegistry::of_agent(&processor);
    let triggered = registry.trigger(&name()).await;
    assert!(matches!(triggered, Err(RegistryError::Starting)), "{triggered:?}");
    let paused = registry.pause(&name()).await;
    assert!(matches!(paused, Err(RegistryError::Starting)), "{paused:?}");
    let canceled = registry.cancel_run(RunId(1)).await;
    assert!(matches!(canceled, Err(RegistryError::Starting)), "{canceled:?}");
}

#[tokio::test]
async fn a_trigger_that_would_run_nobody_says_why_and_opens_no_run() {
    let stage = Stage::at("2026-12-01T08:00:00Z", &json!({}));
    apply(&stage, &one_job(&json!({}))).await;
    let agent = stored_agent(&stage).await;
    let registry = JobRegistry::of_agent(&agent.processor);
    for change in [None, Some("left")] {
        if let Some(user) = change {
            stage.source.set(user, daily("09:00"));
            stage.source.delete(user);
        }
        let refused = registry.trigger(&name()).await;
        assert!(matches!(refused, Err(RegistryError::NobodyToRun { .. })), "{refused:?}");
    }
    assert_eq!(stage.runs().await.len(), 0);
}
