//! Health: alive, able to serve, and what is counted.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use cohort_preferences::time_zone_database_version;
use serde_json::{Value, json};

use super::auth::let_look;
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

/// `GET /readyz`: the database takes what is written, and the service is not closing (F12).
pub(super) async fn readyz(State(service): State<ConfigService>) -> Result<Json<Value>, ApiError> {
    service.ready().await?;
    Ok(Json(json!({"status": "ready"})))
}

/// `GET /metrics`: what this process counts, in the Prometheus text format, for a key that may look
/// (W4).
pub(super) async fn metrics(
    State(service): State<ConfigService>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let_look(&service, &headers).await?;
    let text = service.metrics().await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
