//! `/status`: how everything stands, and what is not well (A4).

use axum::Json;
use axum::extract::State;

use super::problem::Reply;
use crate::registry::JobRegistry;
use crate::status::StatusReport;

/// `GET /status` returns what is not well, and the facts that it was found in.
pub(super) async fn show(State(registry): State<JobRegistry>) -> Reply<StatusReport> {
    Ok(Json(registry.status().await?))
}
