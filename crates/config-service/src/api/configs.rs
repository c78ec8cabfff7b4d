//! The specification's document: all preferences of one tenant.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use cohort_preferences::{FEATURE_PREFERENCES, FeatureType, Receipt, TenantId};
use serde::Serialize;
use serde_json::value::RawValue;

use super::auth::Writer;
use super::error::ApiError;
use super::extract::{JsonBody, PathText, parameter};
use super::preferences::{etag, not_modified};
use crate::error::ConfigServiceError;
use crate::precondition::Precondition;
use crate::service::{ConfigService, Written};
use crate::store::edit::Tenant;

/// `{tenant_id}` of a path whose `{config_key}` is the one there is.
pub(super) struct DocumentOf(TenantId);

impl<S: Send + Sync> FromRequestParts<S> for DocumentOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let PathText((tenant, key)) = PathText::<(String, String)>::from_request_parts(parts, state).await?;
        if key != FEATURE_PREFERENCES {
            let known = format!("config_key {key:?}: the only one is {FEATURE_PREFERENCES}");
            return Err(ConfigServiceError::NotFound(known).into());
        }
        Ok(Self(parameter("tenant_id", &tenant)?))
    }
}

#[derive(Serialize)]
struct Document<'a> {
    tenant_id: &'a TenantId,
    config_key: &'static str,
    config_value: BTreeMap<&'a str, &'a RawValue>,
}

#[derive(Serialize)]
struct Answer {
    version: u64,
    features: BTreeMap<String, Receipt>,
}

/// `GET /tenants/{tenant_id}/configs/{config_key}`.
pub(super) async fn show(
    State(service): State<ConfigService>,
    DocumentOf(tenant): DocumentOf,
    precondition: Precondition,
) -> Result<Response, ApiError> {
    let found = service.document(&tenant).await?;
    let revision = found.revision();
    if precondition.is_none_match_broken(Some(revision)) {
        return Ok(not_modified(revision));
    }
    let document = Document { tenant_id: &tenant, config_key: FEATURE_PREFERENCES, config_value: raw_preferences(&found)? };
    Ok(([etag(revision)], Json(document)).into_response())
}

fn raw_preferences(tenant: &Tenant) -> Result<BTreeMap<&str, &RawValue>, ConfigServiceError> {
    let raw = tenant.live().map(|(feature, _, json)| {
        let raw = serde_json::from_str(json).map_err(|error| ConfigServiceError::Unreadable(format!("a preference: {error}")))?;
        Ok((feature.as_str(), raw))
    });
    raw.collect()
}

/// `PUT /tenants/{tenant_id}/configs/{config_key}`: writes the features that differ and deletes those omitted (W2).
pub(super) async fn put(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    DocumentOf(tenant): DocumentOf,
    precondition: Precondition,
    JsonBody(document): JsonBody,
) -> Result<Response, ApiError> {
    let written = service.put_document(tenant, &document, precondition, actor).await?;
    Ok(answer(written))
}

/// `DELETE /tenants/{tenant_id}/configs/{config_key}`: deletes all preferences of the tenant.
pub(super) async fn delete(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    DocumentOf(tenant): DocumentOf,
    precondition: Precondition,
) -> Result<Response, ApiError> {
    let written = service.delete_document(tenant, precondition, actor).await?;
    Ok(answer(Written { created: false, ..written }))
}

fn answer(written: Written) -> Response {
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    let features = written.receipts.into_iter();
    let answer = Answer {
        version: written.version,
        features: features.map(|(feature, receipt): (FeatureType, _)| (feature.to_string(), receipt)).collect(),
    };
    (status, [etag(written.version)], Json(answer)).into_response()
}
