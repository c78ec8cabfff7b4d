//! `/runs/{id}/attempts`: every attempt of a run.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use cohort_ledger::{AttemptQuery, AttemptRecord, Ledger, RunId};
use serde::Serialize;

use super::problem::{Problem, Reply};

/// A page of attempts, by user and number.
#[derive(Serialize)]
pub(super) struct AttemptPage {
    attempts: Vec<AttemptRecord>,
    /// The `cursor` of the next page; null on the last.
    next_cursor: Option<String>,
}

/// `GET /runs/{id}/attempts` lists the attempts of a run, by user and number.
pub(super) async fn of_run(
    State(ledger): State<Arc<dyn Ledger>>,
    id: Result<Path<RunId>, PathRejection>,
    query: Result<Query<AttemptQuery>, QueryRejection>,
) -> Reply<AttemptPage> {
    let Path(id) = id?;
    let Query(query) = query?;
    if ledger.run(id).await?.is_none() {
        return Err(Problem::no_such_run(id));
    }
    let (attempts, next_cursor) = ledger.attempts(id, query).await?;
    Ok(Json(AttemptPage { attempts, next_cursor }))
}
