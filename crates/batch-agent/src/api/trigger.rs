//! `/jobs/{job}/trigger`: everybody whom a job serves is run now.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use cohort_preferences::JobId;

use super::problem::Reply;
use crate::registry::{JobRegistry, Triggered};

/// `POST /jobs/{job}/trigger` opens the runs, and returns their numbers.
pub(super) async fn trigger(
    State(registry): State<JobRegistry>,
    job: Result<Path<JobId>, PathRejection>,
) -> Reply<Triggered> {
    let Path(job) = job?;
    Ok(Json(registry.trigger(&job).await?))
}
