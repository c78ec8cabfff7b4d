//! Several agents on one ledger (F3): each has its own handle, as processes of their own would.

use cohort_batch_agent::RunState;
use serde_json::json;

use crate::stage::{Backend, Stage};

/// Two agents and 3,000 users who are due at once.
async fn two_agents_share_a_run(backend: Backend) {
    let stage = Stage::with_daily_users(3_000, &json!({})).on(backend).await;
    let a = stage.agent_of(stage.builder().holder("a")).await;
    let other = stage.ledger_of_another_process().await;
    let b = stage.agent_of(stage.builder_on(other).holder("b")).await;
    tokio::join!(a.until("2026-12-01T12:00:00Z"), b.until("2026-12-01T12:00:00Z"));

    stage.assert_each_succeeded_once(3_000, &["2026-12-01T09:00"]).await;
    assert_eq!(stage.handler.calls().len(), 3_000);
    let runs = stage.runs().await;
    assert_eq!(
        runs.iter().map(|run| (run.state, run.counts.succeeded)).collect::<Vec<_>>(),
        [(RunState::Closed, 3_000)]
    );
}

#[tokio::test]
async fn two_agents_on_sqlite_share_the_work_of_one_run() {
    two_agents_share_a_run(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_on_postgres_share_the_work_of_one_run() {
    two_agents_share_a_run(Backend::Postgres).await;
}
