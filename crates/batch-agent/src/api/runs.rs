//! `/runs`: what ran, every attempt of it, and the end of one that an operator wants no more.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use problem_details::ProblemDetails;
use serde::Serialize;

use super::problem;
use crate::registry::JobRegistry;
use cohort_ledger::{AttemptQuery, AttemptRecord, Ledger, Run, RunId, RunQuery};

/// A page of runs, newest first.
#[derive(Serialize)]
pub(super) struct RunPage {
    runs: Vec<Run>,
    /// The `before` of the next page; null on the last.
    next_before: Option<RunId>,
}

pub(super) async fn list(
    State(ledger): State<Arc<dyn Ledger>>,
    query: Result<Query<RunQuery>, QueryRejection>,
) -> Result<Json<RunPage>, ProblemDetails> {
    let Query(query) = query.map_err(|rejection| problem::bad_query(&rejection))?;
    let limit = query.limit.unwrap_or(100);
    let runs = ledger
        .runs(RunQuery { limit: Some(limit), ..query })
        .await
        .map_err(|error| problem::of_ledger(&error))?;
    let next_before = runs.last().filter(|_| runs.len() >= limit.min(1_000)).map(|run| run.id);
    Ok(Json(RunPage { runs, next_before }))
}

pub(super) async fn show(
    State(ledger): State<Arc<dyn Ledger>>,
    id: Result<Path<RunId>, PathRejection>,
) -> Result<Json<Run>, ProblemDetails> {
    let Path(id) = id.map_err(|rejection| problem::bad_path(&rejection))?;
    let run = ledger.run(id).await.map_err(|error| problem::of_ledger(&error))?;
    run.map(Json).ok_or_else(|| problem::no_such_run(id))
}

/// A page of attempts, by user and number.
#[derive(Serialize)]
pub(super) struct AttemptPage {
    attempts: Vec<AttemptRecord>,
    /// The `cursor` of the next page; null on the last.
    next_cursor: Option<String>,
}

pub(super) async fn attempts(
    State(ledger): State<Arc<dyn Ledger>>,
    id: Result<Path<RunId>, PathRejection>,
    query: Result<Query<AttemptQuery>, QueryRejection>,
) -> Result<Json<AttemptPage>, ProblemDetails> {
    let Path(id) = id.map_err(|rejection| problem::bad_path(&rejection))?;
    let Query(query) = query.map_err(|rejection| problem::bad_query(&rejection))?;
    if ledger.run(id).await.map_err(|error| problem::of_ledger(&error))?.is_none() {
        return Err(problem::no_such_run(id));
    }
    let (attempts, next_cursor) =
        ledger.attempts(id, query).await.map_err(|error| problem::of_ledger(&error))?;
    Ok(Json(AttemptPage { attempts, next_cursor }))
}

pub(super) async fn cancel(
    State(registry): State<JobRegistry>,
    id: Result<Path<RunId>, PathRejection>,
) -> Result<Json<Run>, ProblemDetails> {
    let Path(id) = id.map_err(|rejection| problem::bad_path(&rejection))?;
    registry.cancel_run(id).await.map(Json).map_err(|error| problem::of_registry(&error))
}
