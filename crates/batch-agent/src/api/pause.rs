//! `/jobs/{job}/pause` and `/jobs/{job}/resume`: whether a job plans.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use cohort_preferences::JobId;

use super::problem::Reply;
use crate::registry::{JobRegistry, JobView, RegistryError};

/// `POST /jobs/{job}/pause` stops a job from planning, and returns the job.
pub(super) async fn pause(
    State(registry): State<JobRegistry>,
    job: Result<Path<JobId>, PathRejection>,
) -> Reply<JobView> {
    let Path(job) = job?;
    registry.pause(&job).await?;
    show(&registry, job).await
}

/// `POST /jobs/{job}/resume` lets a job plan again, and returns the job.
pub(super) async fn resume(
    State(registry): State<JobRegistry>,
    job: Result<Path<JobId>, PathRejection>,
) -> Reply<JobView> {
    let Path(job) = job?;
    registry.resume(&job).await?;
    show(&registry, job).await
}

/// The job as it is after the operation.
async fn show(registry: &JobRegistry, job: JobId) -> Reply<JobView> {
    let found = registry.jobs().await?.into_iter().find(|view| view.job_id == job.as_str());
    // Somebody may have removed it in between.
    Ok(Json(found.ok_or(RegistryError::NoSuchJob(job))?))
}
