//! The REST API: reads requests, asks the service, writes answers.
//!
//! Every route of [`ConfigService::api_router`] but the description of the API asks for a key (W4).
//! The layer that asks stands on the routes themselves: no route can be added without it, and the
//! router can be merged with another that has a layer of its own. Who may use a route stands in
//! [`access`]. Errors are problem+json (RFC 9457), each made in [`error`]. The `OpenAPI` document
//! is made from the routes as they are mounted ([`openapi`]).

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
mod router;
mod routes;
mod schema;
mod storage;
mod stream;
mod tenants;
mod time_limit;
