//! Every route that needs a key, and the `OpenAPI` document that they make.

use std::sync::LazyLock;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::schema::{Shapes, vocabulary};
use super::{
    all_tenants, changes, configs, feature_types, groups, history, import, keys, links, openapi,
    preferences, preview, storage, stream, tenants,
};
use crate::service::ConfigService;

/// The `OpenAPI` document of these routes.
pub(super) static DOCUMENT: LazyLock<String> =
    LazyLock::new(|| openapi::document(routes().into_openapi(), shapes()));

/// Returns every route that needs a key, with what it says of itself.
pub(super) fn routes() -> OpenApiRouter<ConfigService> {
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
        .routes(routes!(groups::list::by_query))
        .routes(routes!(groups::list::by_path))
        .routes(routes!(groups::users::by_path))
        .routes(routes!(groups::users::by_query))
        .routes(routes!(groups::members::members))
        .routes(routes!(groups::member_lists::member_lists))
        .routes(routes!(groups::check::check))
        .routes(routes!(feature_types::list))
        .routes(routes!(feature_types::show, feature_types::put))
        .routes(routes!(feature_types::unstated))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::verify))
        .routes(routes!(storage::show))
}

/// Returns every shape that the routes name.
fn shapes() -> Shapes {
    [
        vocabulary(),
        preferences::shapes(),
        configs::shapes(),
        preview::shapes(),
        tenants::shapes(),
        all_tenants::shapes(),
        history::shapes(),
        links::shapes(),
        groups::list::shapes(),
        groups::users::shapes(),
        groups::members::shapes(),
        groups::member_lists::shapes(),
        groups::check::shapes(),
        changes::shapes(),
        feature_types::shapes(),
        keys::shapes(),
        storage::shapes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::api::access::Access;

    #[test]
    fn every_route_that_is_mounted_stands_in_the_table_of_access_and_no_other() {
        let document: Value = serde_json::from_str(&DOCUMENT).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item").keys();
            methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
        });
        let known = Access::routes().map(|(method, path)| (method.to_owned(), path.to_owned()));
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
