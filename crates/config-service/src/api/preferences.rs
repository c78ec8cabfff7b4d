//! One preference of one tenant, and many at once.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cohort_preferences::{BatchGetRequest, BatchGetResponse};

use super::auth::Writer;
use super::error::ApiError;
use super::extract::{JsonBody, TenantFeature, TypedBody};
use crate::precondition::Precondition;
use crate::service::{ConfigService, Written};

/// The kinds of body that a PATCH reads.
const PATCH_TYPES: [&str; 2] = ["application/merge-patch+json", "application/json"];

/// The header that carries a version (W2).
pub(super) fn etag(version: u64) -> (HeaderName, String) {
    (header::ETAG, format!("\"{version}\""))
}

/// The answer to a reader who has this version already.
pub(super) fn not_modified(version: u64) -> Response {
    (StatusCode::NOT_MODIFIED, [etag(version)]).into_response()
}

/// `GET /tenants/{tenant_id}/preferences/{feature_type}`: the preference as it was stated.
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

/// `PUT /tenants/{tenant_id}/preferences/{feature_type}`: replaces the preference.
pub(super) async fn put(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    TenantFeature(tenant, feature): TenantFeature,
    precondition: Precondition,
    JsonBody(preference): JsonBody,
) -> Result<Response, ApiError> {
    let written = service.put_preference((tenant, feature), &preference, precondition, actor).await?;
    Ok(answer(written))
}

/// `PATCH /tenants/{tenant_id}/preferences/{feature_type}`: changes the preference that is there (RFC 7396).
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
    essence.is_some_and(|essence| PATCH_TYPES.iter().any(|known| known.eq_ignore_ascii_case(essence)))
}

/// `DELETE /tenants/{tenant_id}/preferences/{feature_type}`: deletes the preference; its version lives on (W2).
pub(super) async fn delete(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    TenantFeature(tenant, feature): TenantFeature,
    precondition: Precondition,
) -> Result<Response, ApiError> {
    let written = service.delete_preference((tenant, feature), precondition, actor).await?;
    Ok(answer(written))
}

fn answer(written: Written) -> Response {
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    let receipt = written.receipts.into_values().next();
    (status, [etag(written.version)], Json(receipt)).into_response()
}

/// `POST /preferences/batch-get`: up to 1,000 users' preferences for one feature.
pub(super) async fn batch_get(
    State(service): State<ConfigService>,
    TypedBody(request): TypedBody<BatchGetRequest>,
) -> Result<Json<BatchGetResponse>, ApiError> {
    Ok(Json(service.preferences(request).await?))
}
