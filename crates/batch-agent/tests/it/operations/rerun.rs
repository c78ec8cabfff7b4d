//! An operator has work done again, and stops what is open (D13, D14).
//!
//! Planted, and red: a rerun's members are not noted to be in it; the objections of a rerun are
//! those of its own name.

use cohort_batch_agent::{
    Choice, JobChoice, RegistryError, RunState, SkippedReason, StatusName, UnprocessedReason,
};
use serde_json::json;

use super::{NINE, first_run, registry};
use crate::stage::{Agent, Backend, Stage, daily, instant};

/// A stage with users after the runs of two days; and its agent.
async fn after_two_days(backend: Backend, users: usize) -> (Stage, Agent) {
    let stage = Stage::with_daily_users(users, &json!({})).on(backend).await;
    let agent = stage.agent().await;
    agent.until("2026-12-02T10:00:00Z").await;
    (stage, agent)
}

fn succeeded(stage: &Stage) -> Choice {
    Choice { status: Some(StatusName::Succeeded), ..Choice::of_job(stage.job.job_id.clone()) }
}

#[tokio::test]
async fn work_that_succeeded_is_done_again_once_a_user_with_the_settings_of_now() {
    work_is_done_again(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_too_work_that_succeeded_is_done_again_once_a_user() {
    work_is_done_again(Backend::Postgres).await;
}

async fn work_is_done_again(backend: Backend) {
    let (stage, agent) = after_two_days(backend, 30).await;
    let mut off = daily("09:00");
    off["enabled"] = json!(false);
    stage.source.set("u3", off);
    let mut restated = daily("09:00");
    restated["template_overrides"] = json!({"tone": "sorry"});
    stage.source.set("u4", restated);
    let mut skips = daily("09:00");
    skips["skip_next"] = json!("2026-12-02T09:00");
    stage.source.set("u5", skips);

    let registry = registry(&agent);
    let chosen = registry.preview_rerun(&succeeded(&stage)).await.expect("counted");
    assert_eq!((chosen.count.users, chosen.count.outcomes, chosen.named.len()), (30, 60, 10));
    let rerun = registry.rerun(&succeeded(&stage), None).await.expect("opened");
    assert_eq!((rerun.runs.len(), rerun.work), (1, chosen));
    agent.until("2026-12-02T11:00:00Z").await;

    let again: Vec<_> = stage.outcomes().await.into_iter().skip(60).collect();
    assert_eq!(again.len(), 30, "once a user");
    let ended = |tenant: &str| {
        let outcome = again.iter().find(|outcome| outcome.tenant_id.as_str() == tenant);
        let outcome = outcome.expect("an outcome");
        (outcome.status, outcome.reason.clone())
    };
    let skipped = |reason: SkippedReason| (StatusName::Skipped, Some(reason.as_str().to_owned()));
    assert_eq!(ended("u3"), skipped(SkippedReason::Disabled));
    assert_eq!(ended("u5"), skipped(SkippedReason::SkippedByUser));
    assert_eq!(ended("u4"), (StatusName::Succeeded, None));
    let calls = stage.handler.calls_of("u4");
    let [.., (_, before), (_, call)] = calls.as_slice() else { panic!("{calls:?}") };
    let repeats = call.repeats.as_ref().expect("it names what it repeats");
    assert_eq!(
        (repeats.nominal.to_string().as_str(), repeats.timezone.as_str(), &repeats.key),
        ("2026-12-02T09:00", "UTC", &before.key),
        "the newest work of the user"
    );
    assert_eq!(call.template_overrides["tone"], "sorry");
    assert!(again.iter().all(|outcome| outcome.nominal == rerun.nominal));
    assert_ne!(call.key, before.key);

    agent.until("2026-12-03T10:00:00Z").await;
    assert_eq!(
        stage.told_of("u4").await.last().map(String::as_str),
        Some("2026-12-03T09:00 succeeded")
    );
    assert_eq!(stage.completeness("2026-12-01T00:00:00Z").await.unaccounted, 0);
}

#[tokio::test]
async fn a_rerun_is_opened_once_by_its_identifier_and_selects_no_other_rerun() {
    let (stage, agent) = after_two_days(Backend::Sqlite, 3).await;
    let (registry, choice) = (registry(&agent), succeeded(&stage));
    let id = uuid::Uuid::from_u128(7);
    let first = registry.rerun(&choice, Some(id)).await.expect("opened");
    let second = registry.rerun(&choice, Some(id)).await.expect("known");
    assert_eq!((&first.runs, first.nominal), (&second.runs, second.nominal));
    agent.until("2026-12-02T11:00:00Z").await;
    assert_eq!(stage.outcomes().await.len(), 9);
    let count = registry.preview_rerun(&choice).await.expect("counted").count;
    assert_eq!(count.outcomes, 6);
    let of_rerun = Choice { nominal: Some(first.nominal), ..Choice::default() };
    assert_eq!(registry.preview_rerun(&of_rerun).await.expect("counted").count.outcomes, 3);
    let refused = registry.rerun(&Choice::default(), None).await;
    assert!(matches!(refused, Err(RegistryError::NothingChosen(_))), "{refused:?}");
    let nobody = Choice { reason: Some("poison".into()), ..choice };
    let refused = registry.rerun(&nobody, None).await;
    assert!(matches!(refused, Err(RegistryError::NothingToDo(_))), "{refused:?}");
    let bob = Choice { tenants: vec!["bob".parse().expect("a tenant")], ..Choice::default() };
    let refused = registry.rerun(&bob, None).await;
    assert!(matches!(refused, Err(RegistryError::NothingOnRecord(_))), "{refused:?}");
}

#[tokio::test]
async fn a_rerun_that_is_canceled_before_it_is_read_counts_whom_it_would_have_had() {
    let (stage, agent) = after_two_days(Backend::Sqlite, 5).await;
    let registry = registry(&agent);
    let rerun = registry.rerun(&succeeded(&stage), None).await.expect("opened");
    let of_rerun = Choice { nominal: Some(rerun.nominal), ..Choice::default() };
    assert_eq!(registry.cancel(&of_rerun).await.expect("canceled").runs, 1);
    agent.until("2026-12-02T11:00:00Z").await;
    let run = stage.ledger().run(rerun.runs[0]).await.expect("reads").expect("a run");
    assert_eq!((run.state, run.reason), (RunState::Closed, Some(UnprocessedReason::Canceled)));
    assert_eq!((run.counts.unread, run.counts.skipped), (5, 5));
    assert_eq!(stage.outcomes().await.len(), 10);
}

#[tokio::test]
async fn a_stop_ends_what_is_open_and_nothing_runs_until_the_jobs_are_resumed() {
    let stage = Stage::with_daily_users(30, &json!({}));
    let agent = stage.agent().await;
    stage.now_away();
    agent.until("2026-12-01T09:05:00Z").await;
    assert_eq!(first_run(&stage).await.state, RunState::Reading);
    let registry = registry(&agent);
    let everything = JobChoice::All;
    let would = registry.preview_stop(&everything).await.expect("counted");
    let stopped = registry.stop(&everything).await.expect("stopped");
    assert_eq!((would.open.runs, &stopped), (1, &would));
    stage.now_well();
    agent.until("2026-12-01T10:00:00Z").await;
    let run = first_run(&stage).await;
    assert_eq!((run.state, run.counts.unread), (RunState::Closed, 30));
    assert_eq!(run.occurrence.nominal.to_string(), NINE);
    assert!(run.canceled_at >= Some(instant("2026-12-01T09:05:00Z")));
    assert!(stage.handler.calls().is_empty());
    assert_eq!(stage.completeness("2026-12-01T00:00:00Z").await.unaccounted, 0);
}
