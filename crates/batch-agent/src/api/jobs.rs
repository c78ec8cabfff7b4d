//! `/jobs`: what is in force, and every version that there ever was.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use cohort_ledger::Definition;
use cohort_preferences::JobId;
use serde::Serialize;

use super::problem::Reply;
use crate::registry::{JobRegistry, JobView};

/// All jobs in force, by name.
#[derive(Serialize)]
pub(super) struct JobList {
    jobs: Vec<JobView>,
}

/// `GET /jobs` lists the jobs in force, each with its next occurrence.
pub(super) async fn list(State(registry): State<JobRegistry>) -> Reply<JobList> {
    Ok(Json(JobList { jobs: registry.jobs().await? }))
}

/// All versions of a job, oldest first.
#[derive(Serialize)]
pub(super) struct VersionList {
    versions: Vec<Definition>,
}

/// `GET /jobs/{job}/versions` lists the versions of a job, also of one that was removed.
pub(super) async fn versions(
    State(registry): State<JobRegistry>,
    job: Result<Path<JobId>, PathRejection>,
) -> Reply<VersionList> {
    let Path(job) = job?;
    Ok(Json(VersionList { versions: registry.job_versions(&job).await? }))
}
