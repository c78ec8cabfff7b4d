//! One user from a failure to a requeue, to success, and into oblivion.

use cohort_batch_agent::{Answer, Requeue, StepName};
use serde_json::json;

use super::scene::{MONDAY, config, explain, run_until, steps};
use crate::handler::Script;
use crate::stage::{Backend, Stage, daily, instant};

/// A user who fails, is requeued and succeeds, then forgotten: asked why at each step, and
/// accounted for.
async fn a_requeued_user_is_explained(backend: Backend) {
    let stage = Stage::at("2026-12-07T04:00:00Z", &json!({})).on(backend).await;
    stage.registry().apply(&config(&json!({})), "ann").await.expect("applied");
    stage.source.set("u", daily("09:00"));
    stage.handler.script("u", Script::Fail);
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    assert_eq!(explain(&stage, MONDAY).await.answer, Answer::Rejected);

    let requeue =
        Requeue { places: vec![(stage.runs().await[0].id, 0)], key_nonce: None, at: stage.now() };
    assert_eq!(stage.ledger().requeue(requeue).await.expect("requeued"), 1);
    let open = stage.ledger().open_work(stage.now()).await.expect("counted");
    assert_eq!(
        (open.runs_processing, open.chunks_ready, open.oldest_ready_at),
        (1, 1, Some(stage.now()))
    );
    let why = explain(&stage, MONDAY).await;
    assert_eq!(
        (why.answer, steps(&why).last()),
        (Answer::WaitingForWorker, Some(&StepName::Attempt))
    );
    assert!(
        why.sentence.contains("attempted once, requeued on Monday 7 December at 12:00"),
        "{}",
        why.sentence
    );

    stage.handler.forget_scripts();
    run_until(&stage, "2026-12-08T12:00:00Z").await;
    let why = explain(&stage, MONDAY).await;
    assert_eq!((why.answer, steps(&why).contains(&StepName::Attempt)), (Answer::Succeeded, true));
    let report = stage.completeness("2026-12-07T00:00:00Z").await;
    assert_eq!(
        (report.unaccounted, report.jobs[0].on_record, report.jobs[0].members),
        (0, 2, Some(2))
    );

    stage.clock.advance_to(instant("2026-12-09T00:00:00Z"));
    stage.ledger().prune(instant("2026-12-08T13:00:00Z"), 1_000).await.expect("pruned");
    assert_eq!(explain(&stage, MONDAY).await.answer, Answer::BeforeRetention);
}

#[tokio::test]
async fn a_requeued_user_is_explained_on_sqlite() {
    a_requeued_user_is_explained(Backend::Sqlite).await;
}

#[tokio::test]
async fn a_requeued_user_is_explained_on_postgresql() {
    a_requeued_user_is_explained(Backend::Postgres).await;
}
