//! The agent's REST API: what ran, and how it ended. Paths are relative to `/api/v1`.

mod auth;
mod outcomes;
mod problem;
mod runs;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use crate::ledger::Ledger;
pub use auth::{KeyCheck, VerifiedKeys};

/// The routes of the agent; each needs a key that `keys` accepts (W4).
pub fn agent_api(ledger: Arc<dyn Ledger>, keys: Arc<dyn KeyCheck>) -> Router {
    Router::new()
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/outcomes", get(outcomes::of_run))
        .route("/outcomes", get(outcomes::list))
        .route_layer(from_fn_with_state(keys, auth::require_key))
        .with_state(ledger)
}
