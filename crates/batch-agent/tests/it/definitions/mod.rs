//! Jobs and purposes that are stored: applied, compared, reloaded by agents that run, paused and
//! resumed (F1, T12, A2).

mod apply;
mod pause;
mod start;

use cohort_batch_agent::ApplyReport;
use cohort_preferences::{BatchDocuments, JobId};
use serde_json::{Value, json};

use crate::stage::{Agent, Stage};

/// A job with some of its fields set.
fn job(id: &str, fields: &Value) -> Value {
    let mut job = json!({
        "job_id": id, "type": "individual_batch", "purpose_id": "write", "preference_based": true,
        "feature_type": "posts"
    });
    job.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
    job
}

/// A batch config of these jobs, with the purpose that the stage serves.
fn config(jobs: &[Value]) -> BatchDocuments {
    let purposes = json!({"write": {"handler": "http", "url": "http://localhost:1/write"}});
    documents(&json!({"batch_processing_jobs": jobs, "purposes": purposes}))
}

fn documents(value: &Value) -> BatchDocuments {
    BatchDocuments::from_json(&value.to_string()).expect("valid")
}

fn one_job(fields: &Value) -> BatchDocuments {
    config(&[job("write_posts", fields)])
}

fn name() -> JobId {
    "write_posts".parse().expect("a name")
}

/// What an apply did, as `write_posts created v1`.
fn told(report: &ApplyReport) -> Vec<String> {
    let told = |change: &_| {
        let change = json!(change);
        format!(
            "{} {} v{}",
            change["name"].as_str().expect("a name"),
            change["change"].as_str().expect("a word"),
            change["version"]
        )
    };
    report.changes.iter().map(told).collect()
}

async fn apply(stage: &Stage, wanted: &BatchDocuments) -> Vec<String> {
    told(&stage.registry().apply(wanted, "somebody").await.expect("applied"))
}

async fn stored_agent(stage: &Stage) -> Agent {
    stage.agent_of(stage.stored_builder()).await
}

/// The runs with the version of their job, as `2026-12-01T09:00 v1 succeeded=3 skipped=0 missed=0
/// -`.
async fn told_runs(stage: &Stage) -> Vec<String> {
    let runs = stage.runs().await;
    let told = runs.iter().map(|run| {
        let (counts, version) = (run.counts, run.job_version.expect("the job is stored"));
        let reason = run.reason.map_or("-", |reason| reason.as_str());
        let nominal = run.occurrence.nominal;
        format!(
            "{nominal} v{version} succeeded={} skipped={} missed={} {reason}",
            counts.succeeded, counts.skipped, counts.missed
        )
    });
    told.collect()
}
