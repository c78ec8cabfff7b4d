//! `/metrics`: what the agent counts, in Prometheus' format, for any key that is known (W4).

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::auth::{self, KeyCheck};
use super::problem::Problem;
use crate::processor::EnhancedBatchProcessor;

/// The path of the metrics.
const PATH: &str = "/metrics";

/// The Prometheus text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The most bytes of another service's metrics that ours are added to.
const MOST_BYTES: usize = 16 << 20;

/// Routes `/metrics` of an agent that has an address of its own.
pub fn agent_metrics(agent: EnhancedBatchProcessor, keys: Arc<dyn KeyCheck>) -> Router {
    Router::new()
        .route(PATH, get(metrics))
        .route_layer(from_fn_with_state(keys, auth::require_key))
        .with_state(agent)
}

/// The same routes, whose `/metrics` also has what an agent counts, for whoever may see the rest of
/// it.
pub fn with_agent_metrics(routes: Router, agent: EnhancedBatchProcessor) -> Router {
    routes.layer(from_fn_with_state(agent, add_metrics))
}

/// `GET /metrics` returns what the agent counts.
async fn metrics(State(agent): State<EnhancedBatchProcessor>) -> Result<Response, Problem> {
    let text = agent.metrics().await?;
    Ok(([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}

async fn add_metrics(
    State(agent): State<EnhancedBatchProcessor>,
    request: Request,
    next: Next,
) -> Response {
    let is_metrics = request.uri().path() == PATH;
    let response = next.run(request).await;
    if !is_metrics || !response.status().is_success() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(before) = to_bytes(body, MOST_BYTES).await else {
        return too_long().into_response();
    };
    match agent.metrics().await {
        Ok(text) => {
            head.headers.remove(CONTENT_LENGTH);
            Response::from_parts(head, Body::from([&before[..], text.as_bytes()].concat()))
        }
        Err(error) => Problem::from(error).into_response(),
    }
}

fn too_long() -> Problem {
    Problem::unavailable("Metrics cannot be told", "they are too long")
}
