//! The agent's REST API: what ran and how it ended, which jobs there are, and the acts on them.
//! Paths are relative to `/api/v1`.

mod auth;
mod batch_config;
mod completeness;
mod explain;
mod health;
mod jobs;
mod metrics;
mod outcome_feed;
mod outcomes;
mod problem;
mod retry;
mod runs;
mod schedules;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post, put};

use crate::registry::JobRegistry;
pub use auth::{KeyCheck, VerifiedKeys};
use cohort_ledger::Ledger;
pub use health::agent_health;
pub use metrics::{agent_metrics, with_agent_metrics};

/// What the routes speak of.
#[derive(Clone)]
struct Spoken {
    ledger: Arc<dyn Ledger>,
    registry: JobRegistry,
}

impl FromRef<Spoken> for Arc<dyn Ledger> {
    fn from_ref(spoken: &Spoken) -> Self {
        Self::clone(&spoken.ledger)
    }
}

impl FromRef<Spoken> for JobRegistry {
    fn from_ref(spoken: &Spoken) -> Self {
        spoken.registry.clone()
    }
}

/// The routes of the agent; each needs a key that `keys` knows, and acts need one that may do
/// everything (W4).
pub fn agent_api(registry: JobRegistry, keys: Arc<dyn KeyCheck>) -> Router {
    let acts = Router::new()
        .route("/batch-config", put(batch_config::apply))
        .route("/jobs/{job}/trigger", post(jobs::trigger))
        .route("/jobs/{job}/pause", post(jobs::pause))
        .route("/jobs/{job}/resume", post(jobs::resume))
        .route("/jobs/{job}/retry", post(retry::of_job))
        .route("/runs/{id}/cancel", post(runs::cancel))
        .route("/runs/{id}/retry", post(retry::of_run))
        .route_layer(from_fn(auth::require_admin));
    let looks = Router::new()
        .route("/batch-config", get(batch_config::show))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{job}/versions", get(jobs::versions))
        .route("/purposes", get(jobs::purposes))
        .route("/schedules", get(schedules::list))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/outcomes", get(outcomes::of_run))
        .route("/runs/{id}/attempts", get(runs::attempts))
        .route("/outcomes", get(outcomes::list))
        .route("/outcomes/feed", get(outcome_feed::page))
        .route("/account", get(completeness::show))
        .route("/tenants/{tenant_id}/explain", get(explain::explain));
    let ledger = Arc::clone(registry.ledger());
    acts.merge(looks)
        .route_layer(from_fn_with_state(keys, auth::require_key))
        .with_state(Spoken { ledger, registry })
}
