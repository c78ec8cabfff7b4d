//! `/outcomes` and `/runs/{id}/outcomes`: what became of each user.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use cohort_ledger::{Ledger, OutcomeQuery, OutcomeRecord, RunId};
use serde::Serialize;

use super::problem::{Problem, Reply};

/// A page of outcomes, in the order of runs and of the users in them.
#[derive(Serialize)]
pub(super) struct OutcomePage {
    outcomes: Vec<OutcomeRecord>,
    /// The `cursor` of the next page; null on the last.
    next_cursor: Option<String>,
}

/// `GET /outcomes` lists outcomes of all runs.
pub(super) async fn list(
    State(ledger): State<Arc<dyn Ledger>>,
    query: Result<Query<OutcomeQuery>, QueryRejection>,
) -> Reply<OutcomePage> {
    let Query(query) = query?;
    page(&*ledger, query).await
}

/// `GET /runs/{id}/outcomes` lists the outcomes of one run.
pub(super) async fn of_run(
    State(ledger): State<Arc<dyn Ledger>>,
    id: Result<Path<RunId>, PathRejection>,
    query: Result<Query<OutcomeQuery>, QueryRejection>,
) -> Reply<OutcomePage> {
    let Path(id) = id?;
    if ledger.run(id).await?.is_none() {
        return Err(Problem::no_such_run(id));
    }
    let Query(query) = query?;
    page(&*ledger, OutcomeQuery { run: Some(id), ..query }).await
}

async fn page(ledger: &dyn Ledger, query: OutcomeQuery) -> Reply<OutcomePage> {
    let (outcomes, next_cursor) = ledger.outcomes(query).await?;
    Ok(Json(OutcomePage { outcomes, next_cursor }))
}
