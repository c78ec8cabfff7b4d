//! Health of the agent: alive, and able to do its work.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use cohort_preferences::time_zone_database_version;
use problem_details::ProblemDetails;
use serde_json::{Value, json};

use super::problem;
use crate::scheduler::DynamicBatchScheduler;

/// `/healthz` and `/readyz`, which need no key.
pub fn agent_health(scheduler: Arc<DynamicBatchScheduler>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(scheduler)
}

/// Alive, and which version with which time zone database (T11).
async fn healthz() -> Json<Value> {
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "time_zone_database": time_zone_database_version(),
    }))
}

/// The schedules are read, changes are heard of, and the ledger answers and takes what is written
/// (F5).
async fn readyz(
    State(scheduler): State<Arc<DynamicBatchScheduler>>,
) -> Result<Json<Value>, ProblemDetails> {
    match scheduler.unreadiness().await {
        None => Ok(Json(json!({"status": "ready"}))),
        Some(reason) => Err(problem::not_ready(&reason)),
    }
}
