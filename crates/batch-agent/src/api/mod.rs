//! The agent's REST API: what ran and how it ended, which jobs there are, and the operations on
//! them. Paths are relative to `/api/v1`.
//!
//! Each file has one route, or a few that belong together: query, handler, problems and tests. A
//! problem is worded by its route, or by the error behind it ([`problem`]).

mod attempts;
mod auth;
mod batch_config;
mod choice;
mod completeness;
mod explain;
mod health;
mod jobs;
mod metrics;
mod outcome_feed;
mod outcomes;
mod pause;
mod problem;
mod purposes;
mod recovery;
mod rerun;
mod retry;
mod runs;
mod schedules;
mod span;
mod status;
mod stop;
mod storage;
mod time_limit;
mod trigger;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post, put};
use cohort_ledger::Ledger;

pub use self::auth::{KeyCheck, VerifiedKeys};
pub use self::health::{agent_health, with_agent_readiness};
pub use self::metrics::{agent_metrics, with_agent_metrics};
use crate::registry::JobRegistry;

/// What the routes read and change.
#[derive(Clone)]
struct ApiState {
    ledger: Arc<dyn Ledger>,
    registry: JobRegistry,
}

impl FromRef<ApiState> for Arc<dyn Ledger> {
    fn from_ref(state: &ApiState) -> Self {
        Self::clone(&state.ledger)
    }
}

impl FromRef<ApiState> for JobRegistry {
    fn from_ref(state: &ApiState) -> Self {
        state.registry.clone()
    }
}

/// Returns the routes of the agent. Each needs a key that `keys` knows; operations need one that
/// may do everything (W4).
pub fn agent_api(registry: JobRegistry, keys: Arc<dyn KeyCheck>) -> Router {
    let operations = Router::new()
        .route("/batch-config", put(batch_config::apply))
        .route("/jobs/{job}/trigger", post(trigger::trigger))
        .route("/jobs/{job}/pause", post(pause::pause))
        .route("/jobs/{job}/resume", post(pause::resume))
        .route("/jobs/{job}/retry", post(retry::of_job))
        .route("/pause", post(pause::pause_all))
        .route("/resume", post(pause::resume_all))
        .route("/stop", post(stop::stop))
        .route("/runs/cancel", post(stop::cancel))
        .route("/runs/rerun", post(rerun::rerun))
        .route("/runs/retry", post(retry::chosen))
        .route("/purposes/{purpose}/pause", post(purposes::pause))
        .route("/purposes/{purpose}/disable", post(purposes::disable))
        .route("/purposes/{purpose}/resume", post(purposes::resume))
        .route("/recovery", post(recovery::decide))
        .route("/runs/{id}/cancel", post(runs::cancel))
        .route("/runs/{id}/retry", post(retry::of_run))
        .route_layer(from_fn(auth::require_admin));
    let queries = Router::new()
        .route("/batch-config", get(batch_config::show))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{job}/versions", get(jobs::versions))
        .route("/purposes", get(purposes::list))
        .route("/purposes/{purpose}", get(purposes::show))
        .route("/recovery", get(recovery::show))
        .route("/schedules", get(schedules::list))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/outcomes", get(outcomes::of_run))
        .route("/runs/{id}/attempts", get(attempts::of_run))
        .route("/outcomes", get(outcomes::list))
        .route("/outcomes/feed", get(outcome_feed::page))
        .route("/status", get(status::show))
        .route("/account", get(completeness::show))
        .route("/storage/ledger", get(storage::show))
        .route("/tenants/{tenant_id}/explain", get(explain::explain));
    let ledger = Arc::clone(registry.ledger());
    operations
        .merge(queries)
        .route_layer(from_fn_with_state(keys, auth::require_key))
        .route_layer(from_fn(time_limit::limit))
        .route_layer(from_fn(span::in_span))
        .with_state(ApiState { ledger, registry })
}
