//! The routers that a program mounts.

use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::routing::get;
use axum::{Router, middleware};

use super::routes::{DOCUMENT, routes};
use super::{auth, docs, error, health, time_limit};
use crate::service::ConfigService;

/// The largest body but for imports (W5).
const LARGEST_BODY: usize = 1 << 20;

impl ConfigService {
    /// Returns everything this service serves: `/api/v1/…`, `/docs`, `/healthz`, `/readyz` and
    /// `/metrics`.
    pub fn router(&self) -> Router {
        let beside = self.health_router().merge(Self::docs_router());
        Router::new()
            .nest(auth::BASE, self.api_router())
            .merge(beside)
            .fallback(error::unknown_route)
    }

    /// Returns the reference page, which needs no key.
    pub fn docs_router() -> Router {
        let page =
            Router::new().route("/docs", get(docs::page)).route("/docs.css", get(docs::style));
        page.method_not_allowed_fallback(error::method_not_allowed)
    }

    /// Returns the API, with paths relative to `/api/v1` and without a fallback for unknown routes.
    pub fn api_router(&self) -> Router {
        let (routes, _) = routes().split_for_parts();
        routes
            .route_layer(middleware::from_fn_with_state(self.clone(), auth::admit))
            .route_layer(middleware::from_fn(time_limit::limit))
            .route_layer(middleware::from_fn_with_state(self.clone(), auth::count))
            // What the API is like is no secret.
            .route(
                "/openapi.json",
                get(async || ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())),
            )
            .method_not_allowed_fallback(error::method_not_allowed)
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .with_state(self.clone())
    }

    /// `/healthz` and `/readyz`, which need no key, and `/metrics`, which does.
    pub fn health_router(&self) -> Router {
        Router::new()
            .route("/healthz", get(health::healthz))
            .route("/readyz", get(health::readyz))
            .route("/metrics", get(health::metrics))
            .method_not_allowed_fallback(error::method_not_allowed)
            .with_state(self.clone())
    }
}
