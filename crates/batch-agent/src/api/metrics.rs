//! `/metrics`: what the agent counts, for Prometheus, for any key that is known (W4).

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use problem_details::ProblemDetails;

use super::auth::{self, KeyCheck};
use super::problem;
use crate::processor::EnhancedBatchProcessor;

/// Where metrics are.
const PATH: &str = "/metrics";

/// The Prometheus text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The most bytes of another service's metrics that ours are added to.
const MOST_BYTES: usize = 16 << 20;

/// `/metrics` of an agent that has an address of its own.
pub fn agent_metrics(agent: EnhancedBatchProcessor, keys: Arc<dyn KeyCheck>) -> Router {
    Router::new()
        .route(PATH, get(metrics))
        .route_layer(from_fn_with_state(keys, auth::require_key))
        .with_state(agent)
}

/// The same routes, where `/metrics` tells what an agent counts too. Whoever may see what it told
/// before may see that.
pub fn with_agent_metrics(routes: Router, agent: EnhancedBatchProcessor) -> Router {
    routes.layer(from_fn_with_state(agent, add_metrics))
}

async fn metrics(State(agent): State<EnhancedBatchProcessor>) -> Result<Response, ProblemDetails> {
    let text = agent.metrics().await.map_err(|error| problem::of_ledger(&error))?;
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
        return problem::metrics_too_long().into_response();
    };
    match agent.metrics().await {
        Ok(text) => {
            head.headers.remove(CONTENT_LENGTH);
            Response::from_parts(head, Body::from([&before[..], text.as_bytes()].concat()))
        }
        Err(error) => problem::of_ledger(&error).into_response(),
    }
}
