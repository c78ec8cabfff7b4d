//! API keys.

use axum::Json;
use serde_json::{Value, json};

use super::auth::Caller;

/// `POST /api-keys/verify`: who holds the key of this request, and what it may do.
pub(super) async fn verify(Caller(key): Caller) -> Json<Value> {
    Json(json!({"name": key.name, "scopes": key.scopes.names().collect::<Vec<_>>()}))
}
