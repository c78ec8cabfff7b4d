//! Health: alive, and able to serve.

use axum::Json;
use axum::extract::State;
use cohort_preferences::time_zone_database_version;
use serde_json::{Value, json};

use super::error::ApiError;
use crate::service::ConfigService;

/// `GET /healthz`: alive, and which version with which time zone database (T11).
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "time_zone_database": time_zone_database_version(),
    }))
}

/// `GET /readyz`: the database answers and the service is not closing.
pub(super) async fn readyz(State(service): State<ConfigService>) -> Result<Json<Value>, ApiError> {
    service.ready().await?;
    Ok(Json(json!({"status": "ready"})))
}
