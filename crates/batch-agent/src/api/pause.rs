//! `/jobs/{job}/pause` and `/jobs/{job}/resume`, `/pause` and `/resume`: whether jobs plan.

use axum::Json;
use axum::extract::rejection::{PathRejection, StringRejection};
use axum::extract::{Path, State};
use cohort_preferences::JobId;
use serde::Serialize;

use super::choice::{JobsBody, read_body};
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

/// The jobs that an operation was for.
#[derive(Serialize)]
pub(super) struct JobNames {
    jobs: Vec<JobId>,
}

/// `POST /pause` stops all jobs that are chosen from planning, and returns them.
pub(super) async fn pause_all(
    State(registry): State<JobRegistry>,
    body: Result<String, StringRejection>,
) -> Reply<JobNames> {
    let body: JobsBody = read_body(&body?)?;
    let dry_run = body.dry_run;
    let choice = body.choice()?;
    let jobs = if dry_run {
        registry.planning_jobs(&choice).await?
    } else {
        registry.pause_jobs(&choice).await?
    };
    Ok(Json(JobNames { jobs }))
}

/// `POST /resume` lets all jobs that are chosen plan again, and returns them.
pub(super) async fn resume_all(
    State(registry): State<JobRegistry>,
    body: Result<String, StringRejection>,
) -> Reply<JobNames> {
    let body: JobsBody = read_body(&body?)?;
    let dry_run = body.dry_run;
    let choice = body.choice()?;
    let jobs = if dry_run {
        registry.paused_jobs(&choice).await?
    } else {
        registry.resume_jobs(&choice).await?
    };
    Ok(Json(JobNames { jobs }))
}

/// The job as it is after the operation.
async fn show(registry: &JobRegistry, job: JobId) -> Reply<JobView> {
    let found = registry.jobs().await?.into_iter().find(|view| view.job_id == job.as_str());
    // Somebody may have removed it in between.
    Ok(Json(found.ok_or(RegistryError::NoSuchJob(job))?))
}
