//! `/healthz` and `/readyz`: whether the agent is alive, and able to do its work.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use cohort_preferences::time_zone_database_version;
use serde_json::{Value, json};

use super::problem::{Problem, Reply};
use crate::condition::Fault;
use crate::processor::EnhancedBatchProcessor;
use crate::scheduler::DynamicBatchScheduler;

const READYZ: &str = "/readyz";

/// The longest answer to `/readyz` that another agent's faults are added to.
const MOST_BYTES: usize = 1 << 20;

/// Routes `/healthz` and `/readyz`, which need no key.
pub fn agent_health(scheduler: Arc<DynamicBatchScheduler>) -> Router {
    Router::new().route("/healthz", get(healthz)).route(READYZ, get(readyz)).with_state(scheduler)
}

/// The same routes, whose `/readyz` also says no while this agent cannot do its work: for a process
/// that serves both (F12).
pub fn with_agent_readiness(routes: Router, agent: EnhancedBatchProcessor) -> Router {
    routes.layer(from_fn_with_state(agent, add_faults))
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

/// `GET /readyz` says that the agent can do its work, or what of it fails (F12).
async fn readyz(State(scheduler): State<Arc<DynamicBatchScheduler>>) -> Reply<Value> {
    tell(causes(&scheduler.faults().await))
}

async fn add_faults(
    State(agent): State<EnhancedBatchProcessor>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path() != READYZ {
        return next.run(request).await;
    }
    let shared = agent.shared();
    let (response, faults) = tokio::join!(next.run(request), shared.faults());
    let own = causes(&faults);
    if own.is_empty() {
        return response;
    }
    let mut all = causes_of(response).await;
    all.extend(own);
    tell(all).into_response()
}

/// The causes that the other service of this process names; none if it is ready.
async fn causes_of(response: Response) -> Vec<Value> {
    if response.status().is_success() {
        return Vec::new();
    }
    // An answer that cannot be read names nothing, and says no all the same.
    let body = to_bytes(response.into_body(), MOST_BYTES).await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    match problem["causes"].as_array() {
        Some(causes) => causes.clone(),
        None => vec![json!({"part": "service", "cause": problem["detail"]})],
    }
}

fn causes(faults: &[Fault]) -> Vec<Value> {
    let cause = |fault: &Fault| json!({"part": fault.part, "cause": fault.to_string()});
    faults.iter().map(cause).collect()
}

fn tell(causes: Vec<Value>) -> Reply<Value> {
    if causes.is_empty() {
        return Ok(Json(json!({"status": "ready"})));
    }
    let told: Vec<_> = causes.iter().filter_map(|cause| cause["cause"].as_str()).collect();
    let detail = told.join("; ");
    Err(Problem::unavailable("Not ready", detail).with_causes(causes))
}
