//! `/healthz` and `/readyz`: whether the agent is alive, and able to do its work.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use cohort_preferences::time_zone_database_version;
use serde_json::{Value, json};

use super::problem::{Problem, Reply};
use crate::scheduler::DynamicBatchScheduler;

/// Routes `/healthz` and `/readyz`, which need no key.
pub fn agent_health(scheduler: Arc<DynamicBatchScheduler>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(scheduler)
}

/// `GET /healthz` says that the agent is alive, and which version of it with which time zone
/// database (T11).
async fn healthz() -> Json<Value> {
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "time_zone_database": time_zone_database_version(),
    }))
}

/// `GET /readyz` says that the schedules are read, that changes are heard of, and that the ledger
/// can be read and written (F5).
async fn readyz(State(scheduler): State<Arc<DynamicBatchScheduler>>) -> Reply<Value> {
    match scheduler.unreadiness().await {
        None => Ok(Json(json!({"status": "ready"}))),
        Some(reason) => Err(Problem::unavailable("The agent is not ready", reason)),
    }
}
