//! The REST API: reads requests, asks the service, writes answers.
//!
//! Every route of [`ConfigService::api_router`] asks for a key (W4): the layer stands on the routes themselves, so that a
//! route cannot be added without it and the router can be merged with another that has its own. Errors are problem+json
//! (RFC 9457), each made in [`error`].

mod auth;
mod changes;
mod configs;
pub(crate) mod error;
mod extract;
mod groups;
mod health;
mod import;
mod keys;
mod preferences;

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};

use crate::service::ConfigService;

/// The largest body but for imports (W5).
const LARGEST_BODY: usize = 1 << 20;

impl ConfigService {
    /// Everything this service serves: `/api/v1/…`, `/healthz` and `/readyz`.
    pub fn router(&self) -> Router {
        Router::new().nest("/api/v1", self.api_router()).merge(self.health_router()).fallback(error::unknown_route)
    }

    /// The API, with paths relative to `/api/v1` and without a fallback for unknown routes.
    pub fn api_router(&self) -> Router {
        let group_users = get(groups::users);
        Router::new()
            .route("/tenants/{tenant_id}/configs/{config_key}", get(configs::show).put(configs::put).delete(configs::delete))
            .route(
                "/tenants/{tenant_id}/preferences/{feature_type}",
                get(preferences::show).put(preferences::put).patch(preferences::patch).delete(preferences::delete),
            )
            .route("/preferences/groups", get(groups::list_by_query))
            .route("/features/{feature_type}/frequency-groups", get(groups::list))
            .route("/features/{feature_type}/frequency-groups/{frequency}/{time_key}/users", group_users)
            .route("/features/{feature_type}/frequency-groups/users", get(groups::users_by_query))
            .route("/preferences/groups/members", post(groups::members))
            .route("/preferences/batch-get", post(preferences::batch_get))
            .route("/preferences/changes", get(changes::page))
            .route("/preferences/import", post(import::import).layer(DefaultBodyLimit::disable()))
            .route("/api-keys/verify", post(keys::verify))
            .method_not_allowed_fallback(error::method_not_allowed)
            .route_layer(middleware::from_fn_with_state(self.clone(), auth::require_key))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .with_state(self.clone())
    }

    /// `/healthz` and `/readyz`, which need no key.
    pub fn health_router(&self) -> Router {
        Router::new()
            .route("/healthz", get(health::healthz))
            .route("/readyz", get(health::readyz))
            .method_not_allowed_fallback(error::method_not_allowed)
            .with_state(self.clone())
    }
}
