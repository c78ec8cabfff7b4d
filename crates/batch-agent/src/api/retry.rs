//! `/runs/{id}/retry` and `/jobs/{job}/retry`: users who failed are tried again (D6).

use axum::Json;
use axum::extract::rejection::{PathRejection, StringRejection};
use axum::extract::{Path, State};
use cohort_preferences::{JobId, TenantId};
use jiff::Timestamp;
use problem_details::ProblemDetails;
use serde::Deserialize;

use super::problem;
use crate::registry::{JobRegistry, Retried, RetriedRuns, Retry};
use cohort_ledger::{FailedReason, RunId};

/// The most users that a request may name.
const MOST_TENANTS: usize = 1_000;

/// Who is meant; an empty body, or an empty object, means all who failed.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RetryBody {
    /// These users only, each of whom must have failed.
    tenants: Vec<TenantId>,
    /// Only those with this reason.
    reason: Option<FailedReason>,
    /// Only those whose last error has this in it.
    error: Option<String>,
    /// Of a job's runs: only of occurrences at this instant or later.
    since: Option<Timestamp>,
    /// Whether handlers see other keys than before.
    new_key: bool,
}

pub(super) async fn of_run(
    State(registry): State<JobRegistry>,
    id: Result<Path<RunId>, PathRejection>,
    body: Result<String, StringRejection>,
) -> Result<Json<Retried>, ProblemDetails> {
    let Path(id) = id.map_err(|rejection| problem::bad_path(&rejection))?;
    let text = body.map_err(|rejection| problem::bad_body(&rejection))?;
    let body = RetryBody::parse(&text).map_err(problem::wrong_body)?;
    if body.since.is_some() {
        return Err(problem::wrong_body(
            "since: a run is of one instant; POST /api/v1/jobs/{job}/retry takes it",
        ));
    }
    retry(&registry, RetriedRuns::One(id), body).await
}

pub(super) async fn of_job(
    State(registry): State<JobRegistry>,
    job: Result<Path<JobId>, PathRejection>,
    body: Result<String, StringRejection>,
) -> Result<Json<Retried>, ProblemDetails> {
    let Path(job) = job.map_err(|rejection| problem::bad_path(&rejection))?;
    let text = body.map_err(|rejection| problem::bad_body(&rejection))?;
    let body = RetryBody::parse(&text).map_err(problem::wrong_body)?;
    retry(&registry, RetriedRuns::OfJob { job, since: body.since }, body).await
}

impl RetryBody {
    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let body: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let named = body.tenants.len();
        if named > MOST_TENANTS {
            Err(format!("tenants: at most {MOST_TENANTS} are named at once, got {named}"))
        } else {
            Ok(body)
        }
    }
}

async fn retry(
    registry: &JobRegistry,
    runs: RetriedRuns,
    body: RetryBody,
) -> Result<Json<Retried>, ProblemDetails> {
    let RetryBody { tenants, reason, error, since: _of_the_runs, new_key } = body;
    let retried = registry.retry(&Retry { runs, tenants, reason, error, new_key }).await;
    retried.map(Json).map_err(|error| problem::of_registry(&error))
}
