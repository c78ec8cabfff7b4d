//! What operators do to runs: cancel, and requeue of who failed (D6).

mod cancel;
mod chosen;
mod requeue;
mod rerun;

use cohort_batch_agent::{Choice, JobRegistry, OutcomeRecord, Retry, Run, RunId};
use serde_json::Value;

use crate::handler::Script;
use crate::stage::{Agent, Backend, Stage};

const FOREVER: u32 = u32::MAX;

const NINE: &str = "2026-12-01T09:00";

fn retry(choice: Choice) -> Retry {
    Retry { choice, new_key: false }
}

fn named(run: RunId, tenants: &[&str]) -> Retry {
    let tenants = tenants.iter().map(|tenant| tenant.parse().expect("a tenant")).collect();
    retry(Choice { tenants, ..Choice::of_run(run) })
}

fn registry(agent: &Agent) -> JobRegistry {
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

async fn outcome_of(stage: &Stage, tenant: &str) -> OutcomeRecord {
    let mut outcomes = stage.outcomes().await.into_iter();
    outcomes.find(|outcome| outcome.tenant_id.as_str() == tenant).expect("an outcome")
}
