//! The change feed by long poll (F7).

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use cohort_preferences::ChangePage;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::ApiError;
use super::extract::QueryOf;
use super::schema::{Shapes, count, list_of, named, object, one_of};
use crate::error::ConfigServiceError;
use crate::service::{ChangesRequest, ConfigService};

/// The longest wait of a poll, in seconds.
const LONGEST_WAIT: u64 = 30;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    /// Only changes behind this position.
    since_id: Option<String>,
    /// How many seconds to wait for a change.
    #[param(maximum = 30)]
    wait: Option<u64>,
    /// At most so many changes.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Reads the change feed
///
/// The changes behind a cursor, from the oldest kept without one, from here with `now`. If there
/// are none, waits up to `wait` seconds for one. A cursor that is gone answers 410: list again,
/// then follow from the list's position.
#[utoipa::path(get, path = "/preferences/changes", tag = "Changes", operation_id = "read_changes",
    params(Parameters),
    responses((status = 200, description = "A page of the feed",
        body = ref("#/components/schemas/ChangePage")),
        (status = 410,
            description = "The cursor is past what is kept, or of another incarnation of the \
                database")))]
pub(super) async fn page(
    State(service): State<ConfigService>,
    QueryOf(parameters): QueryOf<Parameters>,
) -> Result<Json<ChangePage>, ApiError> {
    let wait = parameters.wait.unwrap_or(0);
    if wait > LONGEST_WAIT {
        return Err(ConfigServiceError::Parameter(format!(
            "wait: expected 0 to {LONGEST_WAIT} seconds, got {wait}"
        ))
        .into());
    }
    let request = ChangesRequest {
        since: parameters.since_id,
        wait: Duration::from_secs(wait),
        limit: parameters.limit,
    };
    Ok(Json(service.changes(request).await?))
}

/// Returns the shapes of the feed.
pub(super) fn shapes() -> Shapes {
    let change = object()
        .field("id", named("Position"))
        .field("tenant_id", named("TenantId").or_null())
        .field("number", count().or_null())
        .field("feature_type", named("FeatureType"))
        .field("version", count())
        .field("at", named("Instant"))
        .field("kind", one_of(&["set", "deleted", "defaults"]))
        .field("left", named("Group").or_null())
        .field("joined", named("Group").or_null());
    let page = object()
        .field("changes", list_of(named("Change")))
        .field("next", named("Position"))
        .field("complete_until", named("Instant"));
    vec![("Change", change), ("ChangePage", page)]
}
