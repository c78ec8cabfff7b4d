//! A tenant's history, and the way back to an earlier version (W3).

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use cohort_preferences::FeatureType;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::IntoParams;

use super::auth::Writer;
use super::error::ApiError;
use super::extract::{QueryOf, TenantOf, TypedBody};
use super::preferences::answer;
use super::schema::{Shape, Shapes, count, list_of, named, object, text};
use crate::error::ConfigServiceError;
use crate::precondition::Precondition;
use crate::service::ConfigService;
use crate::store::list::HistoryEntry;

/// Which entries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Only changes of the preference for this feature.
    #[param(value_type = Option<String>)]
    feature_type: Option<FeatureType>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many entries; 100 if not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A change as the history tells it.
#[derive(Serialize)]
pub(super) struct Entry {
    change: i64,
    at: Timestamp,
    actor: String,
    feature_type: Option<FeatureType>,
    version: u64,
    before: Option<Box<RawValue>>,
    after: Option<Box<RawValue>>,
    definition_version: u64,
}

#[derive(Serialize)]
pub(super) struct History {
    history: Vec<Entry>,
    next_cursor: Option<String>,
}

/// Lists a tenant's changes
///
/// Newest first. An entry without `feature_type` is a change of timezone and labels. A tenant that
/// never wrote has none.
#[utoipa::path(get, path = "/tenants/{tenant_id}/history", tag = "Tenants",
    operation_id = "list_history", params(Search),
    responses((status = 200, description = "A page of the history",
        body = ref("#/components/schemas/History")),
        (status = 410, description = "The cursor is of another incarnation of the database")))]
pub(super) async fn list(
    State(service): State<ConfigService>,
    TenantOf(tenant): TenantOf,
    QueryOf(Search { feature_type, cursor, limit }): QueryOf<Search>,
) -> Result<Json<History>, ApiError> {
    let (entries, next_cursor) =
        service.history(&tenant, feature_type, cursor.as_deref(), limit).await?;
    let history = entries.into_iter().map(Entry::of).collect::<Result<_, _>>()?;
    Ok(Json(History { history, next_cursor }))
}

impl Entry {
    /// Returns an entry as it is shown.
    pub(super) fn of(entry: HistoryEntry) -> Result<Self, ConfigServiceError> {
        Ok(Self {
            change: entry.change,
            at: entry.at,
            actor: entry.actor,
            feature_type: entry.feature,
            version: entry.version,
            before: raw(entry.before)?,
            after: raw(entry.after)?,
            definition_version: entry.rules,
        })
    }
}

fn raw(stored: Option<String>) -> Result<Option<Box<RawValue>>, ConfigServiceError> {
    let raw = stored.map(RawValue::from_string).transpose();
    raw.map_err(|error| ConfigServiceError::Unreadable(format!("a change: {error}")))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revert {
    feature_type: FeatureType,
    to_version: u64,
}

/// Reverts a preference
///
/// Writes it as an earlier version stood, as a new version; a version that was a deletion deletes
/// it. It must pass the rules of now.
#[utoipa::path(post, path = "/tenants/{tenant_id}/revert", tag = "Tenants",
    operation_id = "revert_preference",
    request_body = ref("#/components/schemas/Revert"),
    responses((status = 200, description = "It is as it was",
        body = ref("#/components/schemas/Receipt")),
        (status = 201, description = "It is there again",
            body = ref("#/components/schemas/Receipt")),
        (status = 404, description = "There is no such version, or it is no longer kept"),
        (status = 412, description = "The precondition does not hold")))]
pub(super) async fn revert(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    TenantOf(tenant): TenantOf,
    precondition: Precondition,
    TypedBody(revert): TypedBody<Revert>,
) -> Result<Response, ApiError> {
    let preference = (tenant, revert.feature_type);
    Ok(answer(service.revert(preference, revert.to_version, precondition, actor).await?))
}

/// Returns the shapes of histories.
pub(super) fn shapes() -> Shapes {
    vec![
        (
            "HistoryEntry",
            object()
                .field("change", count())
                .field("at", named("Instant"))
                .field("actor", text())
                .field("feature_type", named("FeatureType").or_null())
                .field("version", count())
                .field("before", Shape::any_object().or_null())
                .field("after", Shape::any_object().or_null())
                .field("definition_version", count()),
        ),
        (
            "History",
            object()
                .field("history", list_of(named("HistoryEntry")))
                .field("next_cursor", named("Cursor").or_null()),
        ),
        (
            "Revert",
            object().field("feature_type", named("FeatureType")).field("to_version", count()),
        ),
    ]
}
