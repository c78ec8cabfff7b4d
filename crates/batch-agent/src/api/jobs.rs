//! `/jobs` and `/purposes`: what is in force, and the acts on one job.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use cohort_preferences::JobId;
use problem_details::ProblemDetails;
use serde_json::{Value, json};

use super::problem;
use crate::registry::{JobRegistry, RegistryError, Triggered};

pub(super) async fn list(
    State(registry): State<JobRegistry>,
) -> Result<Json<Value>, ProblemDetails> {
    let jobs = registry.jobs().await.map_err(|error| problem::of_registry(&error))?;
    Ok(Json(json!({ "jobs": jobs })))
}

pub(super) async fn purposes(
    State(registry): State<JobRegistry>,
) -> Result<Json<Value>, ProblemDetails> {
    let purposes = registry.purposes().await.map_err(|error| problem::of_registry(&error))?;
    Ok(Json(json!({ "purposes": purposes })))
}

pub(super) async fn versions(
    State(registry): State<JobRegistry>,
    job: Result<Path<JobId>, PathRejection>,
) -> Result<Json<Value>, ProblemDetails> {
    let Path(job) = job.map_err(|rejection| problem::bad_path(&rejection))?;
    let versions =
        registry.job_versions(&job).await.map_err(|error| problem::of_registry(&error))?;
    Ok(Json(json!({ "versions": versions })))
}

pub(super) async fn trigger(
    State(registry): State<JobRegistry>,
    job: Result<Path<JobId>, PathRejection>,
) -> Result<Json<Triggered>, ProblemDetails> {
    let Path(job) = job.map_err(|rejection| problem::bad_path(&rejection))?;
    registry.trigger(&job).await.map(Json).map_err(|error| problem::of_registry(&error))
}

pub(super) async fn pause(
    State(registry): State<JobRegistry>,
    job: Result<Path<JobId>, PathRejection>,
) -> Result<Json<Value>, ProblemDetails> {
    let Path(job) = job.map_err(|rejection| problem::bad_path(&rejection))?;
    registry.pause(&job).await.map_err(|error| problem::of_registry(&error))?;
    show(&registry, &job).await
}

pub(super) async fn resume(
    State(registry): State<JobRegistry>,
    job: Result<Path<JobId>, PathRejection>,
) -> Result<Json<Value>, ProblemDetails> {
    let Path(job) = job.map_err(|rejection| problem::bad_path(&rejection))?;
    registry.resume(&job).await.map_err(|error| problem::of_registry(&error))?;
    show(&registry, &job).await
}

/// The job as it is after an act.
async fn show(registry: &JobRegistry, job: &JobId) -> Result<Json<Value>, ProblemDetails> {
    let jobs = registry.jobs().await.map_err(|error| problem::of_registry(&error))?;
    let found = jobs.into_iter().find(|view| view.job_id == job.as_str());
    // Somebody may have removed it in between.
    found
        .map(|view| Json(json!(view)))
        .ok_or_else(|| problem::of_registry(&RegistryError::NoSuchJob(job.clone())))
}
