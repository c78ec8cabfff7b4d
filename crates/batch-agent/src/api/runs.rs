//! `/runs`: what ran, and the end of a run that an operator no longer wants.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use cohort_ledger::{Ledger, Run, RunId, RunQuery};
use serde::Serialize;

use super::problem::{Problem, Reply};
use crate::registry::JobRegistry;

/// How many runs a page has, if the request does not say.
const RUNS_A_PAGE: usize = 100;

/// The most runs of a page, whatever the request says.
const MOST_A_PAGE: usize = 1_000;

/// A page of runs, newest first.
#[derive(Serialize)]
pub(super) struct RunPage {
    runs: Vec<Run>,
    /// The `before` of the next page; null on the last.
    next_before: Option<RunId>,
}

/// `GET /runs` lists runs, newest first.
pub(super) async fn list(
    State(ledger): State<Arc<dyn Ledger>>,
    query: Result<Query<RunQuery>, QueryRejection>,
) -> Reply<RunPage> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(RUNS_A_PAGE);
    let runs = ledger.runs(RunQuery { limit: Some(limit), ..query }).await?;
    let is_full = runs.len() >= limit.min(MOST_A_PAGE);
    let next_before = runs.last().filter(|_| is_full).map(|run| run.id);
    Ok(Json(RunPage { runs, next_before }))
}

/// `GET /runs/{id}` returns one run.
pub(super) async fn show(
    State(ledger): State<Arc<dyn Ledger>>,
    id: Result<Path<RunId>, PathRejection>,
) -> Reply<Run> {
    let Path(id) = id?;
    ledger.run(id).await?.map(Json).ok_or_else(|| Problem::no_such_run(id))
}

/// `POST /runs/{id}/cancel` ends a run without calling its remaining users, and returns the run.
pub(super) async fn cancel(
    State(registry): State<JobRegistry>,
    id: Result<Path<RunId>, PathRejection>,
) -> Reply<Run> {
    let Path(id) = id?;
    Ok(Json(registry.cancel_run(id).await?))
}
