//! What operators do to runs: cancel, and requeue of who failed (D6).

use std::sync::mpsc;

use cohort_batch_agent::{
    JobRegistry, LedgerError, RegistryError, Retried, RetriedRuns, Retry, Run, RunId, RunState,
    SkippedReason, StatusName, UnprocessedReason,
};
use serde_json::{Value, json};

use crate::handler::Script;
use crate::stage::{Agent, Backend, Stage, daily, instant};

const FOREVER: u32 = u32::MAX;
const NINE: &str = "2026-12-01T09:00";

fn retry(runs: RetriedRuns) -> Retry {
    Retry { runs, tenants: Vec::new(), reason: None, error: None, new_key: false }
}

fn named(run: RunId, tenants: &[&str]) -> Retry {
    Retry {
        tenants: tenants.iter().map(|tenant| tenant.parse().expect("a tenant")).collect(),
        ..retry(RetriedRuns::One(run))
    }
}

fn acts(agent: &Agent) -> JobRegistry {
    JobRegistry::of_agent(&agent.processor)
}

async fn first_run(stage: &Stage) -> Run {
    stage.runs().await.remove(0)
}

/// A stage with users of whom the first few are refused, after the run of nine o'clock; and its
/// agent.
async fn with_failures(users: usize, failed: usize, fields: &Value) -> (Stage, Agent) {
    with_failures_on(Backend::Sqlite, users, failed, fields).await
}

async fn with_failures_on(
    backend: Backend,
    users: usize,
    failed: usize,
    fields: &Value,
) -> (Stage, Agent) {
    let stage = Stage::with_daily_users(users, fields).on(backend).await;
    for user in 0..failed {
        stage.handler.script(&format!("u{user}"), Script::Fail);
    }
    let agent = stage.agent().await;
    agent.until("2026-12-01T10:00:00Z").await;
    (stage, agent)
}

#[tokio::test]
async fn of_a_canceled_run_those_in_flight_end_honestly_and_nobody_else_is_called() {
    a_run_is_canceled_in_flight(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_too_those_in_flight_of_a_canceled_run_end_honestly_and_nobody_else_is_called()
{
    a_run_is_canceled_in_flight(Backend::Postgres).await;
}

async fn a_run_is_canceled_in_flight(backend: Backend) {
    let stage = Stage::with_daily_users(60, &json!({})).on(backend).await;
    let agent = stage.agent().await;
    let (acting, answer) = (acts(&agent), mpsc::channel());
    // The first call is not answered before the operator is.
    stage.handler.on_next_call(move || {
        let operator = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(acting.cancel_run(RunId(1)))
        });
        answer.0.send(operator.join().expect("no panic")).expect("somebody waits");
    });
    agent.until("2026-12-01T20:00:00Z").await;

    let answered = answer.1.recv().expect("answered").expect("canceled");
    assert_eq!(answered.canceled_at, Some(instant("2026-12-01T09:00:00Z")));
    let run = first_run(&stage).await;
    assert_eq!((run.state, run.counts.members), (RunState::Closed, 60));
    let called = stage.handler.calls().len();
    assert!(called < 60, "{called} were called");
    assert_eq!((run.counts.succeeded, run.counts.skipped), (called as u64, 60 - called as u64));
    let skipped =
        stage.outcomes().await.into_iter().filter(|outcome| outcome.status == StatusName::Skipped);
    assert!(
        skipped
            .into_iter()
            .all(|outcome| outcome.reason.as_deref() == Some(SkippedReason::Canceled.as_str()))
    );
}

#[tokio::test]
async fn members_who_were_never_read_count_as_skipped_and_a_second_cancel_changes_nothing() {
    let stage = Stage::with_daily_users(30, &json!({}));
    let agent = stage.agent().await;
    stage.now_away();
    agent.until("2026-12-01T09:05:00Z").await;
    let run = first_run(&stage).await;
    assert_eq!(run.state, RunState::Reading);
    let canceled = acts(&agent).cancel_run(run.id).await.expect("canceled");
    stage.now_well();
    agent.until("2026-12-01T09:30:00Z").await;

    let run = first_run(&stage).await;
    assert_eq!(
        (run.state, run.counts.skipped, run.counts.unread, run.counts.members),
        (RunState::Closed, 30, 30, 0)
    );
    assert_eq!(run.reason.map(UnprocessedReason::as_str), Some("canceled"));
    assert_eq!((stage.handler.calls().len(), stage.outcomes().await.len()), (0, 0));
    assert_eq!(stage.completeness("2026-12-01T00:00:00Z").await.unaccounted, 0);
    let again = acts(&agent).cancel_run(run.id).await.expect("idempotent");
    assert_eq!((again.canceled_at, again.closed_at), (canceled.canceled_at, run.closed_at));
}

#[tokio::test]
async fn what_ended_or_never_was_cannot_be_canceled() {
    let (stage, agent) = with_failures(2, 0, &json!({})).await;
    let run = first_run(&stage).await;
    let closed = acts(&agent).cancel_run(run.id).await;
    assert!(
        matches!(closed, Err(RegistryError::Ledger(LedgerError::RunEnded { .. }))),
        "{closed:?}"
    );
    let unknown = acts(&agent).cancel_run(RunId(99)).await;
    assert!(
        matches!(unknown, Err(RegistryError::Ledger(LedgerError::NoSuchRun(RunId(99))))),
        "{unknown:?}"
    );
}

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
    let before = stage
        .outcomes()
        .await
        .into_iter()
        .find(|outcome| outcome.tenant_id.as_str() == "u0")
        .expect("failed");
    stage.handler.forget_scripts();
    let mut wish = daily("09:00");
    wish["template_overrides"] = json!({"tone": "dry"});
    stage.source.set("u0", wish);
    agent.until("2026-12-01T11:00:00Z").await;

    let retried =
        acts(&agent).retry(&named(first_run(&stage).await.id, &["u0"])).await.expect("requeued");
    assert_eq!(retried, Retried { requeued: 1 });
    let open = first_run(&stage).await;
    assert_eq!((open.state, open.counts.failed, open.closed_at), (RunState::Processing, 1, None));
    assert_eq!(stage.told_of("u0").await, ["2026-12-01T09:00 requeued(rejected)"]);
    agent.until("2026-12-01T11:30:00Z").await;

    let after = stage
        .outcomes()
        .await
        .into_iter()
        .find(|outcome| outcome.tenant_id.as_str() == "u0")
        .expect("an outcome");
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
        let new_key = Retry { new_key: turn == 1, ..retry(RetriedRuns::One(run)) };
        acts(&agent).retry(&new_key).await.expect("requeued");
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
    acts(&agent).retry(&retry(RetriedRuns::One(RunId(1)))).await.expect("requeued");
    agent.until("2026-12-03T08:30:00Z").await;

    assert_eq!(stage.told_of("u0").await[0], format!("{NINE} succeeded"));
    let (attempts, next) = stage
        .ledger()
        .attempts(RunId(1), cohort_batch_agent::AttemptQuery::default())
        .await
        .expect("attempts");
    let told: Vec<_> = attempts.iter().map(|a| json!([a.attempt, a.status, a.error])).collect();
    let expected = [
        json!([1, "retried", "busy"]),
        json!([2, "failed", "busy"]),
        json!([3, "retried", "busy"]),
        json!([4, "succeeded", null]),
    ];
    assert_eq!((told, next), (expected.to_vec(), None));
}

#[tokio::test]
async fn who_is_named_must_have_failed_and_else_nobody_is_requeued() {
    let (stage, agent) = with_failures(3, 1, &json!({})).await;
    let run = first_run(&stage).await.id;
    let refused = acts(&agent).retry(&named(run, &["u0", "u1", "nobody"])).await;
    let Err(RegistryError::NotFailed(who)) = refused else { panic!("{refused:?}") };
    assert_eq!(who, "u1 (succeeded), nobody (no outcome there)");
    assert_eq!(stage.told_of("u0").await, [format!("{NINE} failed(rejected)")]);
    assert_eq!(acts(&agent).retry(&named(run, &["u0"])).await.expect("requeued").requeued, 1);
    let twice = acts(&agent).retry(&named(run, &["u0"])).await;
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
    let (acts, retry) = (acts(&agent), retry(RetriedRuns::One(run)));
    let (one, two) = tokio::join!(acts.retry(&retry), acts.retry(&retry));
    assert_eq!(one.expect("requeued").requeued + two.expect("requeued").requeued, 50);
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
    let of_job = |since: Option<&str>| RetriedRuns::OfJob {
        job: stage.job.job_id.clone(),
        since: since.map(instant),
    };
    let busy = Retry { error: Some("busy".into()), ..retry(of_job(Some("2026-12-02T00:00:00Z"))) };
    assert_eq!(acts(&agent).retry(&busy).await.expect("requeued").requeued, 2);
    agent.until("2026-12-03T12:00:00Z").await;
    let days = |status: &str| ["01", "02", "03"].map(|day| format!("2026-12-{day}T09:00 {status}"));
    assert_eq!(stage.told_of("u0").await, days("failed(rejected)"));
    let [first, ..] = days("failed(retries_exhausted)");
    assert_eq!(
        stage.told_of("u1").await,
        [first, days("succeeded")[1].clone(), days("succeeded")[2].clone()]
    );

    let all =
        Retry { reason: Some(cohort_batch_agent::FailedReason::Rejected), ..retry(of_job(None)) };
    assert_eq!(acts(&agent).retry(&all).await.expect("requeued").requeued, 3);
    agent.until("2026-12-03T13:00:00Z").await;
    assert_eq!(
        stage.told_of("u0").await,
        days("succeeded"),
        "the day has passed, and it is done all the same"
    );
}

#[tokio::test]
async fn todays_run_of_a_user_waits_for_a_requeue_and_is_not_skipped_for_several() {
    let stage = Stage::with_daily_users(1, &json!({"max_retries": 5}));
    stage.handler.script("u0", Script::Fail);
    let agent = stage.agent().await;
    agent.until("2026-12-04T08:50:00Z").await;
    stage.handler.script("u0", Script::Retry { times: 3, after_s: Some(20 * 60) });
    let job = stage.job.job_id.clone();
    assert_eq!(
        acts(&agent)
            .retry(&retry(RetriedRuns::OfJob { job, since: None }))
            .await
            .expect("requeued")
            .requeued,
        3
    );
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
    stage.source.set(
        "u0",
        json!({"frequency": "daily", "preferred_time": "09:00", "timezone": "UTC",
            "enabled": false}),
    );
    acts(&agent).retry(&retry(RetriedRuns::One(RunId(1)))).await.expect("requeued");
    agent.until("2026-12-01T11:00:00Z").await;
    assert_eq!(stage.told_of("u0").await, [format!("{NINE} skipped(disabled)")]);
    let run = first_run(&stage).await;
    assert_eq!((run.state, run.counts.failed, run.counts.skipped), (RunState::Closed, 0, 1));
}

#[tokio::test]
async fn a_run_that_was_canceled_takes_requeues_once_it_is_closed() {
    let stage = Stage::with_daily_users(2, &json!({}));
    stage.handler.script("u0", Script::Fail);
    stage.handler.script("u1", Script::Retry { times: FOREVER, after_s: Some(3600) });
    let agent = stage.agent().await;
    agent.until("2026-12-01T09:30:00Z").await;
    // No agent of this process is told, so that the run stays open until the next claim.
    stage.ledger().cancel_run(RunId(1), stage.now()).await.expect("canceled");
    let refused = acts(&agent).retry(&retry(RetriedRuns::One(RunId(1)))).await;
    assert!(
        matches!(refused, Err(RegistryError::Ledger(LedgerError::RunIsBeingCanceled(RunId(1))))),
        "{refused:?}"
    );
    agent.until("2026-12-01T09:31:00Z").await;
    assert_eq!(stage.told_of("u1").await, [format!("{NINE} skipped(canceled)")]);
    stage.handler.forget_scripts();
    acts(&agent).retry(&retry(RetriedRuns::One(RunId(1)))).await.expect("requeued");
    // The handler has asked for an hour, of whoever calls it (D4).
    agent.until("2026-12-01T10:00:00Z").await;
    assert_eq!(stage.told_of("u0").await, [format!("{NINE} succeeded")]);
    assert_eq!(first_run(&stage).await.state, RunState::Closed);
}
