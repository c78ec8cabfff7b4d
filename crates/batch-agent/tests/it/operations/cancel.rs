//! An operator cancels a run.

use std::sync::mpsc;

use cohort_batch_agent::{
    Choice, LedgerError, RegistryError, RunId, RunState, SkippedReason, StatusName,
    UnprocessedReason,
};
use serde_json::json;

use super::{FOREVER, NINE, first_run, registry, retry, with_failures};
use crate::handler::Script;
use crate::stage::{Backend, Stage, instant};

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
    let (registry, (done, canceled)) = (registry(&agent), mpsc::channel());
    // The first call does not return before the operator is done.
    stage.handler.on_next_call(move || {
        let operator = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(registry.cancel_run(RunId(1)))
        });
        done.send(operator.join().expect("no panic")).expect("somebody waits");
    });
    agent.until("2026-12-01T20:00:00Z").await;

    let canceled = canceled.recv().expect("done").expect("canceled");
    assert_eq!(canceled.canceled_at, Some(instant("2026-12-01T09:00:00Z")));
    let run = first_run(&stage).await;
    assert_eq!((run.state, run.counts.members), (RunState::Closed, 60));
    let called = stage.handler.calls().len();
    assert!(called < 60, "{called} were called");
    assert_eq!((run.counts.succeeded, run.counts.skipped), (called as u64, 60 - called as u64));
    let outcomes = stage.outcomes().await;
    let mut skipped = outcomes.into_iter().filter(|outcome| outcome.status == StatusName::Skipped);
    let canceled = Some(SkippedReason::Canceled.as_str());
    assert!(skipped.all(|outcome| outcome.reason.as_deref() == canceled));
}

#[tokio::test]
async fn members_who_were_never_read_count_as_skipped_and_a_second_cancel_changes_nothing() {
    let stage = Stage::with_daily_users(30, &json!({}));
    let agent = stage.agent().await;
    stage.now_away();
    agent.until("2026-12-01T09:05:00Z").await;
    let run = first_run(&stage).await;
    assert_eq!(run.state, RunState::Reading);
    let canceled = registry(&agent).cancel_run(run.id).await.expect("canceled");
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
    let again = registry(&agent).cancel_run(run.id).await;
    assert!(matches!(again, Err(RegistryError::AlreadyCanceled(_))), "{again:?}");
    let after = first_run(&stage).await;
    assert_eq!((after.canceled_at, after.closed_at), (canceled.canceled_at, run.closed_at));
}

#[tokio::test]
async fn what_ended_or_never_was_cannot_be_canceled() {
    let (stage, agent) = with_failures(2, 0, &json!({})).await;
    let run = first_run(&stage).await;
    let closed = registry(&agent).cancel_run(run.id).await;
    assert!(
        matches!(closed, Err(RegistryError::Ledger(LedgerError::RunEnded { .. }))),
        "{closed:?}"
    );
    let unknown = registry(&agent).cancel_run(RunId(99)).await;
    assert!(
        matches!(unknown, Err(RegistryError::Ledger(LedgerError::NoSuchRun(RunId(99))))),
        "{unknown:?}"
    );
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
    let refused = registry(&agent).retry(&retry(Choice::of_run(RunId(1)))).await;
    assert!(
        matches!(refused, Err(RegistryError::Ledger(LedgerError::RunIsBeingCanceled(RunId(1))))),
        "{refused:?}"
    );
    agent.until("2026-12-01T09:31:00Z").await;
    assert_eq!(stage.told_of("u1").await, [format!("{NINE} skipped(canceled)")]);
    stage.handler.forget_scripts();
    registry(&agent).retry(&retry(Choice::of_run(RunId(1)))).await.expect("requeued");
    // The handler has asked for an hour, of whoever calls it (D4).
    agent.until("2026-12-01T10:00:00Z").await;
    assert_eq!(stage.told_of("u0").await, [format!("{NINE} succeeded")]);
    assert_eq!(first_run(&stage).await.state, RunState::Closed);
}
