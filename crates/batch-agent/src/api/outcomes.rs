//! `/outcomes` and `/runs/{id}/outcomes`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use problem_details::ProblemDetails;
use serde::Serialize;

use super::problem;
use cohort_ledger::{Ledger, OutcomeQuery, OutcomeRecord, RunId};

/// A page of outcomes, in the order of runs and places.
#[derive(Serialize)]
pub(super) struct OutcomePage {
    outcomes: Vec<OutcomeRecord>,
    /// The `cursor` of the next page; null on the last.
    next_cursor: Option<String>,
}

pub(super) async fn list(
    State(ledger): State<Arc<dyn Ledger>>,
    query: Result<Query<OutcomeQuery>, QueryRejection>,
) -> Result<Json<OutcomePage>, ProblemDetails> {
    let Query(query) = query.map_err(|rejection| problem::bad_query(&rejection))?;
    let (outcomes, next_cursor) =
        ledger.outcomes(query).await.map_err(|error| problem::of_ledger(&error))?;
    Ok(Json(OutcomePage { outcomes, next_cursor }))
}

pub(super) async fn of_run(
    State(ledger): State<Arc<dyn Ledger>>,
    id: Result<Path<RunId>, PathRejection>,
    query: Result<Query<OutcomeQuery>, QueryRejection>,
) -> Result<Json<OutcomePage>, ProblemDetails> {
    let Path(id) = id.map_err(|rejection| problem::bad_path(&rejection))?;
    if ledger.run(id).await.map_err(|error| problem::of_ledger(&error))?.is_none() {
        return Err(problem::no_such_run(id));
    }
    let Query(query) = query.map_err(|rejection| problem::bad_query(&rejection))?;
    list(State(ledger), Ok(Query(OutcomeQuery { run: Some(id), ..query }))).await
}
