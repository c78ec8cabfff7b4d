//! The change feed by long poll (F7).

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use cohort_preferences::ChangePage;
use serde::Deserialize;

use super::error::ApiError;
use super::extract::QueryOf;
use crate::error::ConfigServiceError;
use crate::service::{ChangesRequest, ConfigService};

/// The longest wait of a poll, in seconds.
const LONGEST_WAIT: u64 = 30;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    since_id: Option<String>,
    wait: Option<u64>,
    limit: Option<usize>,
}

/// `GET /preferences/changes?since_id=&wait=&limit=`: the changes behind a cursor, from the oldest without one, from here
/// with `now`. If there are none, waits up to `wait` seconds for one.
pub(super) async fn page(
    State(service): State<ConfigService>,
    QueryOf(parameters): QueryOf<Parameters>,
) -> Result<Json<ChangePage>, ApiError> {
    let wait = parameters.wait.unwrap_or(0);
    if wait > LONGEST_WAIT {
        return Err(ConfigServiceError::Parameter(format!("wait: expected 0 to {LONGEST_WAIT} seconds, got {wait}")).into());
    }
    let request = ChangesRequest { since: parameters.since_id, wait: Duration::from_secs(wait), limit: parameters.limit };
    Ok(Json(service.changes(request).await?))
}
