//! What the scenarios are made of: a stage about one job and the user `u`, and an explanation of
//! it.

use cohort_batch_agent::{Explainer, Explanation, StepName};
use cohort_preferences::BatchDocuments;
use serde_json::{Value, json};

use crate::handler::Script;
use crate::stage::{Agent, Stage, daily};

/// The instant that most scenarios are about: Monday the 7th of December 2026, nine o'clock.
pub(super) const MONDAY: &str = "2026-12-07T09:00:00Z";

/// The job with some of its fields set.
pub(super) fn config(fields: &Value) -> BatchDocuments {
    let mut job = json!({
        "job_id": "write_posts", "type": "individual_batch", "purpose_id": "write",
        "preference_based": true, "feature_type": "posts"
    });
    job.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
    documents(&json!([job]))
}

pub(super) fn documents(jobs: &Value) -> BatchDocuments {
    let purposes = json!({"write": {"handler": "http", "url": "http://localhost:1/write"}});
    BatchDocuments::from_json(
        &json!({"batch_processing_jobs": jobs, "purposes": purposes}).to_string(),
    )
    .expect("valid")
}

/// A stage at four o'clock on Monday, whose ledger keeps the job, and no users.
pub(super) async fn empty_stage(fields: &Value) -> Stage {
    let stage = Stage::at("2026-12-07T04:00:00Z", &json!({}));
    stage.registry().apply(&config(fields), "ann").await.expect("applied");
    stage
}

/// The same with `u` at nine o'clock each day.
pub(super) async fn stage(fields: &Value) -> Stage {
    let stage = empty_stage(fields).await;
    stage.source.set("u", daily("09:00"));
    stage
}

pub(super) async fn agent(stage: &Stage) -> Agent {
    stage.agent_of(stage.stored_builder()).await
}

pub(super) async fn run_until(stage: &Stage, end: &str) {
    agent(stage).await.until(end).await;
}

pub(super) async fn explain(stage: &Stage, moment: &str) -> Explanation {
    explain_of(stage, "u", "write_posts", moment).await
}

pub(super) async fn explain_of(
    stage: &Stage,
    tenant: &str,
    job: &str,
    moment: &str,
) -> Explanation {
    let explainer = Explainer::new(stage.evidence(None));
    let (tenant, job) = (tenant.parse().expect("a tenant"), job.parse().expect("a job"));
    explainer.explain(&tenant, &job, moment.parse().expect("a moment")).await.expect("explained")
}

/// Asserts on the first line that people read.
#[track_caller]
pub(super) fn says(explanation: Explanation, sentence: &str) -> Explanation {
    assert_eq!(explanation.sentence, sentence);
    explanation
}

pub(super) fn steps(explanation: &Explanation) -> Vec<StepName> {
    explanation.trace.iter().map(|step| step.name).collect()
}

/// Changes the ledger behind the agent's back, as no agent of today does by itself.
pub(super) fn tamper(stage: &Stage, sql: &str) {
    let changed = rusqlite::Connection::open(stage.ledger_file())
        .expect("opens")
        .execute(sql, [])
        .expect("changed");
    assert!(changed > 0, "{sql}");
}

/// An outcome with a reason that only other parts of an agent give.
pub(super) async fn ended(status: u8, reason: &str) -> Explanation {
    let stage = stage(&json!({})).await;
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    tamper(&stage, &format!("UPDATE outcome SET status = {status}, reason = '{reason}'"));
    explain(&stage, MONDAY).await
}

/// `u` runs each hour, and asks to be tried again for good.
pub(super) async fn slow_stage() -> Stage {
    let stage = empty_stage(&json!({"max_retries": 1_000})).await;
    stage
        .source
        .set("u", json!({"frequency": "hourly", "preferred_time": "00:00", "timezone": "UTC"}));
    stage.handler.script("u", Script::Retry { times: u32::MAX, after_s: None });
    stage
}

/// A job with a schedule of its own that serves these tenants.
pub(super) async fn static_stage(tenants: &Value) -> Stage {
    let stage = Stage::at("2026-12-07T04:00:00Z", &json!({}));
    let job = json!({
        "job_id": "write_posts", "type": "individual_batch", "purpose_id": "write",
        "feature_type": "posts",
        "schedule": {"frequency": "daily", "time": "09:00"}, "filters": {"tenant_ids": tenants}
    });
    stage.registry().apply(&documents(&json!([job])), "ann").await.expect("applied");
    stage.source.introduce("u", None);
    run_until(&stage, "2026-12-07T12:00:00Z").await;
    stage
}
