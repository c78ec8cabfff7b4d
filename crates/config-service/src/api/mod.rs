//! The REST API: reads requests, asks the service, writes answers.
//!
//! Every route of [`ConfigService::api_router`] but the description of the API asks for a key (W4):
//! the layer stands on the routes themselves, so that a route cannot be added without it and the
//! router can be merged with another that has its own. Who may use a route stands in [`access`].
//! Errors are problem+json (RFC 9457), each made in [`error`]. The `OpenAPI` document is made from
//! the routes as they are mounted ([`openapi`]).

mod access;
mod all_tenants;
mod auth;
mod changes;
mod configs;
mod docs;
pub(crate) mod error;
mod extract;
mod feature_types;
mod groups;
mod health;
mod history;
mod import;
mod keys;
mod links;
mod openapi;
mod preferences;
mod preview;
mod schema;
mod stream;
mod tenants;

use std::sync::LazyLock;

use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::routing::get;
use axum::{Router, middleware};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::service::ConfigService;

/// The largest body but for imports (W5).
const LARGEST_BODY: usize = 1 << 20;

/// The `OpenAPI` document of these routes.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi::document(routes().into_openapi()));

/// Every route that needs a key, with what it says of itself.
fn routes() -> OpenApiRouter<ConfigService> {
    OpenApiRouter::new()
        .routes(routes!(tenants::list))
        .routes(routes!(tenants::show, tenants::put, tenants::erase))
        .routes(routes!(tenants::export))
        .routes(routes!(all_tenants::members))
        .routes(routes!(all_tenants::timezones))
        .routes(routes!(all_tenants::label_values))
        .routes(routes!(history::list))
        .routes(routes!(history::revert))
        .routes(routes!(links::create))
        .routes(routes!(configs::show, configs::put, configs::delete))
        .routes(routes!(
            preferences::show,
            preferences::put,
            preferences::patch,
            preferences::delete
        ))
        .routes(routes!(configs::all))
        .routes(routes!(preferences::batch_get))
        .routes(routes!(import::import).layer(DefaultBodyLimit::disable()))
        .routes(routes!(preview::preview))
        .routes(routes!(changes::page))
        .routes(routes!(stream::stream))
        .routes(routes!(groups::list_by_query))
        .routes(routes!(groups::list))
        .routes(routes!(groups::users))
        .routes(routes!(groups::users_by_query))
        .routes(routes!(groups::members))
        .routes(routes!(groups::member_lists))
        .routes(routes!(groups::check))
        .routes(routes!(feature_types::list))
        .routes(routes!(feature_types::show, feature_types::put))
        .routes(routes!(feature_types::unstated))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::verify))
}

impl ConfigService {
    /// Everything this service serves: `/api/v1/…`, `/docs`, `/healthz`, `/readyz` and `/metrics`.
    pub fn router(&self) -> Router {
        let beside = self.health_router().merge(Self::docs_router());
        Router::new()
            .nest(auth::BASE, self.api_router())
            .merge(beside)
            .fallback(error::unknown_route)
    }

    /// The reference page, which needs no key.
    pub fn docs_router() -> Router {
        let page =
            Router::new().route("/docs", get(docs::page)).route("/docs.css", get(docs::style));
        page.method_not_allowed_fallback(error::method_not_allowed)
    }

    /// The API, with paths relative to `/api/v1` and without a fallback for unknown routes.
    pub fn api_router(&self) -> Router {
        let (routes, _) = routes().split_for_parts();
        routes
            .route_layer(middleware::from_fn_with_state(self.clone(), auth::admit))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn every_route_that_is_mounted_stands_in_the_table_of_access_and_no_other() {
        let document: Value = serde_json::from_str(&DOCUMENT).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item").keys();
            methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
        });
        let known =
            access::Access::routes().map(|(method, path)| (method.to_owned(), path.to_owned()));
        assert_eq!(operations.collect::<BTreeSet<_>>(), known.collect::<BTreeSet<_>>());
    }

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

    #[test]
    fn the_committed_document_is_that_of_the_code() {
        let committed = std::fs::read_to_string(COMMITTED).expect("openapi.json is committed");
        let same = committed == *DOCUMENT;
        assert!(
            same,
            "write it anew: cargo test -p cohort-config-service --lib -- --ignored write_openapi"
        );
    }

    #[test]
    #[ignore = "writes the committed document"]
    fn write_openapi() {
        std::fs::write(COMMITTED, DOCUMENT.as_bytes()).expect("writes");
    }
}
