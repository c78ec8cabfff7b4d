//! `process_user_preference_batch`, as the specification writes it (D1, M6).

use std::time::Duration;

use cohort_batch_agent::{PreferenceBatchError, RunState, ScheduleError};
use cohort_preferences::{Frequency, TimeKey};
use serde_json::json;
use tokio::sync::watch;

use crate::source::FEATURE;
use crate::stage::{Stage, daily, instant};

fn nine() -> TimeKey {
    "09:00".parse().expect("a time key")
}

/// 30 users at nine in UTC, three in Tokyo, and others who ask for something else.
fn stage() -> Stage {
    let stage = Stage::with_daily_users(30, &json!({}));
    for user in ["t0", "t1", "t2"] {
        stage.source.set(
            user,
            json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "Asia/Tokyo"}),
        );
    }
    stage.source.set("later", daily("10:00"));
    stage.source.set(
        "weekly",
        json!({"frequency": "weekly", "preferred_day": "monday", "preferred_time": "09:00",
            "timezone": "UTC"}),
    );
    // Who asks at the very instant of the run is not in it yet (M1).
    stage.clock.advance_to(instant("2026-12-01T03:00:01Z"));
    stage
}

#[tokio::test]
async fn everybody_who_asked_for_it_is_processed_in_every_zone_without_a_scheduler_or_a_loop() {
    let stage = stage();
    let processor = stage.builder().build().expect("a processor");
    let batch = processor
        .process_user_preference_batch(FEATURE, Frequency::Daily, nine())
        .await
        .expect("opened");
    assert_eq!(batch.runs().len(), 2);
    let runs = batch.finished().await.expect("finished");
    assert!(
        runs.iter()
            .all(|run| run.state == RunState::Closed && run.occurrence.nominal == batch.name())
    );
    let counts = batch.counts().await.expect("counted");
    assert_eq!((counts.members, counts.succeeded), (33, 33));
    assert!(batch.name().to_string().starts_with("trigger:"));
    assert_eq!((stage.told_of("later").await.len(), stage.told_of("weekly").await.len()), (0, 0));
}

#[tokio::test]
async fn it_runs_who_has_run_today_and_does_not_keep_anybody_from_running_today() {
    let stage = stage();
    stage.run_until("2026-12-01T09:30:00Z").await;
    let processor = stage.builder().build().expect("a processor");
    processor
        .process_user_preference_batch(FEATURE, "daily", "09:00")
        .await
        .expect("opened")
        .finished()
        .await
        .expect("finished");
    assert_eq!(stage.handler.calls_of("u0").len(), 2);
    stage.run_until("2026-12-02T09:30:00Z").await;
    assert_eq!(stage.told_of("u0").await.last().expect("an outcome"), "2026-12-02T09:00 succeeded");
    assert_eq!(stage.told_of("later").await, ["2026-12-01T10:00 succeeded"]);
}

#[tokio::test]
async fn loops_that_are_at_work_process_it() {
    let stage = stage();
    let agent = stage.agent().await;
    let (shut_down, shutdown) = watch::channel(false);
    let script = async {
        tokio::task::yield_now().await;
        let batch = agent
            .processor
            .process_user_preference_batch(FEATURE, Frequency::Daily, &nine())
            .await
            .expect("opened");
        let runs = batch.finished().await.expect("finished");
        shut_down.send(true).expect("the loops listen");
        runs
    };
    let ((), (), runs) = tokio::join!(
        agent.scheduler.run(shutdown.clone()),
        agent.processor.run(shutdown, Duration::from_secs(25)),
        script
    );
    assert!(runs.iter().all(|run| run.state == RunState::Closed));
    assert_eq!(stage.handler.calls().len(), 33);
}

#[tokio::test]
async fn what_nobody_serves_or_asked_for_is_told() {
    let stage = stage();
    let processor = stage.builder().build().expect("a processor");
    let asked = async |feature: &str, key: &str| {
        processor
            .process_user_preference_batch(feature, Frequency::Daily, key)
            .await
            .map(|_batch| ())
            .expect_err("refused")
    };
    assert!(matches!(asked("recipes", "09:00").await, PreferenceBatchError::NotServed(_)));
    let error = asked(FEATURE, "09:01").await;
    assert_eq!(error.to_string(), "posts: nobody has asked for daily:09:01 in any zone");
    let error = asked("no feature", "09:00").await;
    assert!(matches!(error, PreferenceBatchError::Argument(_)), "{error:?}");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(error.to_string() == "feature_type" && cause.contains("character ' '"), "{cause}");
    assert!(matches!(asked(FEATURE, "nine").await, PreferenceBatchError::Argument(_)));
    assert!(stage.runs().await.is_empty());
}

#[tokio::test]
async fn a_group_or_a_feature_that_is_not_there_is_an_error_and_one_that_is_gets_its_schedule() {
    let stage = stage();
    let agent = stage.agent().await;
    let scheduler = &agent.scheduler;
    scheduler.schedule_preference_group(FEATURE, "daily", "09:00").await.expect("a group");
    let key: TimeKey = "monday:09:00".parse().expect("a time key");
    scheduler.schedule_preference_group(FEATURE, Frequency::Weekly, &key).await.expect("a group");
    let nobody = scheduler.schedule_preference_group(FEATURE, "daily", "09:01").await;
    assert!(matches!(nobody, Err(ScheduleError::NoGroup(_))), "{nobody:?}");
    let nothing = scheduler.schedule_preference_group(FEATURE, "sometimes", "09:00").await;
    assert!(matches!(nothing, Err(ScheduleError::Argument(_))), "{nothing:?}");
    let unserved = scheduler.schedule_preference_group("recipes", "daily", "09:00").await;
    assert!(matches!(unserved, Err(ScheduleError::NotServed(_))), "{unserved:?}");
    let unserved = scheduler.refresh_feature_schedules("recipes").await;
    assert!(matches!(unserved, Err(ScheduleError::NotServed(_))), "{unserved:?}");
    scheduler.refresh_feature_schedules(FEATURE).await.expect("read");
}
