//! One preference of one tenant, and many at once.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cohort_preferences::{BatchGetRequest, BatchGetResponse, Invalid};

use super::auth::Writer;
use super::error::ApiError;
use super::extract::{JsonBody, TenantFeature, TypedBody};
use super::schema::{
    Shape, Shapes, any_of, count, integer, list_of, named, null, object, one_of, preference_shapes,
};
use crate::limits::check_tenant;
use crate::precondition::Precondition;
use crate::service::{ConfigService, Written};

/// The kinds of body that a PATCH reads.
const PATCH_TYPES: [&str; 2] = ["application/merge-patch+json", "application/json"];

/// Returns the header that carries a version (W2).
pub(super) fn etag(version: u64) -> (HeaderName, String) {
    (header::ETAG, format!("\"{version}\""))
}

/// Returns the answer to a reader who has this version already.
pub(super) fn not_modified(version: u64) -> Response {
    (StatusCode::NOT_MODIFIED, [etag(version)]).into_response()
}

/// Shows one preference
///
/// As it was stated.
#[utoipa::path(get, path = "/tenants/{tenant_id}/preferences/{feature_type}", tag = "Preferences",
    operation_id = "show_preference",
    responses((status = 200, description = "The preference",
        body = ref("#/components/schemas/Preference")),
        (status = 304, description = "The reader has it already"),
        (status = 404, description = "There is no such preference")))]
pub(super) async fn show(
    State(service): State<ConfigService>,
    TenantFeature(tenant, feature): TenantFeature,
    precondition: Precondition,
) -> Result<Response, ApiError> {
    let (version, json) = service.preference(&tenant, &feature).await?;
    if precondition.is_none_match_broken(Some(version)) {
        return Ok(not_modified(version));
    }
    Ok(([etag(version), (header::CONTENT_TYPE, "application/json".into())], json).into_response())
}

/// Replaces one preference
///
/// The answer says which version it is, from when on it counts, and when it runs next.
#[utoipa::path(put, path = "/tenants/{tenant_id}/preferences/{feature_type}", tag = "Preferences",
    operation_id = "put_preference",
    request_body = ref("#/components/schemas/Preference"),
    responses((status = 200, description = "It is replaced",
        body = ref("#/components/schemas/Receipt")),
        (status = 201, description = "It is there now", body = ref("#/components/schemas/Receipt")),
        (status = 412, description = "The precondition does not hold")))]
pub(super) async fn put(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    TenantFeature(tenant, feature): TenantFeature,
    precondition: Precondition,
    JsonBody(preference): JsonBody,
) -> Result<Response, ApiError> {
    let written =
        service.put_preference((tenant, feature), &preference, precondition, actor).await?;
    Ok(answer(written))
}

/// Changes one preference
///
/// By a JSON Merge Patch (RFC 7396). Fields that a new frequency does not use are dropped.
#[utoipa::path(patch, path = "/tenants/{tenant_id}/preferences/{feature_type}", tag = "Preferences",
    operation_id = "patch_preference",
    request_body(content = ref("#/components/schemas/PreferencePatch"),
        content_type = "application/merge-patch+json"),
    responses((status = 200, description = "It is changed",
        body = ref("#/components/schemas/Receipt")),
        (status = 404, description = "There is no such preference"),
        (status = 412, description = "The precondition does not hold"),
        (status = 415, description = "The body is of a kind that is not read here")))]
pub(super) async fn patch(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    TenantFeature(tenant, feature): TenantFeature,
    precondition: Precondition,
    headers: HeaderMap,
    JsonBody(patch): JsonBody,
) -> Result<Response, ApiError> {
    if !is_patch_type(&headers) {
        return Err(ApiError::MediaType(PATCH_TYPES[0]));
    }
    let written = service.patch_preference((tenant, feature), patch, precondition, actor).await?;
    Ok(answer(written))
}

fn is_patch_type(headers: &HeaderMap) -> bool {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = sent.and_then(|sent| sent.split(';').next()).map(str::trim);
    essence
        .is_some_and(|essence| PATCH_TYPES.iter().any(|known| known.eq_ignore_ascii_case(essence)))
}

/// Deletes one preference
///
/// Its version lives on: when it is stated again, it goes on from there.
#[utoipa::path(delete, path = "/tenants/{tenant_id}/preferences/{feature_type}",
    tag = "Preferences", operation_id = "delete_preference",
    responses((status = 200, description = "It is deleted",
        body = ref("#/components/schemas/Receipt")),
        (status = 404, description = "There is no such preference"),
        (status = 412, description = "The precondition does not hold")))]
pub(super) async fn delete(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    TenantFeature(tenant, feature): TenantFeature,
    precondition: Precondition,
) -> Result<Response, ApiError> {
    let written = service.delete_preference((tenant, feature), precondition, actor).await?;
    Ok(answer(written))
}

/// Returns the answer to a write of one preference.
pub(super) fn answer(written: Written) -> Response {
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    let receipt = written.receipts.into_values().next();
    (status, [etag(written.version)], Json(receipt)).into_response()
}

/// Reads many users' preferences for one feature
///
/// Up to 1,000 users, answered in the order asked.
#[utoipa::path(post, path = "/preferences/batch-get", tag = "Preferences",
    operation_id = "get_preferences",
    request_body = ref("#/components/schemas/BatchGet"),
    responses((status = 200, description = "One entry a user asked for",
        body = ref("#/components/schemas/BatchGetAnswer"))))]
pub(super) async fn batch_get(
    State(service): State<ConfigService>,
    TypedBody(request): TypedBody<BatchGetRequest>,
) -> Result<Json<BatchGetResponse>, ApiError> {
    for (index, tenant) in request.tenant_ids.iter().enumerate() {
        check_tenant(tenant).map_err(|why| Invalid::one(format!("/tenant_ids/{index}"), why))?;
    }
    Ok(Json(service.preferences(request).await?))
}

/// Returns the shapes of preferences and of what a write of one means.
pub(super) fn shapes() -> Shapes {
    let patch = Shape::any_object().described("JSON Merge Patch (RFC 7396): null removes a field.");
    let named_run = object()
        .field("nominal", named("Nominal"))
        .field("timezone", named("Timezone"))
        .field("at", named("Instant"));
    let already_ran = object()
        .field("earlier", named("NamedRun"))
        .field("then", named("NamedRun").or_null())
        .described(
            "The day of next_run had a run that was due for the user before this write. A job \
             that runs a user once a day, which is the default, skips next_run if that one ran, \
             and goes on with then; a job may say otherwise (once_per).",
        );
    let receipt = object()
        .field("version", count())
        .field("takes_effect_at", named("Instant"))
        .optional("already_ran", already_ran);
    let mut shapes = preference_shapes();
    shapes.extend([
        ("PreferencePatch", patch),
        ("NamedRun", named_run),
        ("Receipt", with_next_run(&receipt)),
        (
            "BatchGet",
            object()
                .field("feature_type", named("FeatureType"))
                .field("tenant_ids", list_of(named("AnyTenantId")).most_items(1000)),
        ),
        (
            "BatchGetAnswer",
            object().field("preferences", list_of(entry())).field("position", named("Position")),
        ),
    ]);
    shapes
}

fn entry() -> Shape {
    object()
        .field("tenant_id", named("AnyTenantId"))
        .field("number", integer().or_null())
        .field("version", count())
        .field("preference", named("Preference").or_null())
}

/// Returns an object with these fields and the next run, or why none can be named.
pub(super) fn with_next_run(fields: &Shape) -> Shape {
    let reason = one_of(&["depends_on_job", "disabled", "snoozed"]);
    any_of([
        fields.clone().field("next_run", named("NamedRun")),
        fields.clone().field("next_run", null()).field("reason", reason),
    ])
}
