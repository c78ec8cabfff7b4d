//! The specification's document: all preferences of one tenant; and those of all tenants, streamed.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cohort_preferences::{FEATURE_PREFERENCES, FeatureType, Receipt, TenantId};
use futures_util::{TryStreamExt, stream};
use serde::Serialize;
use serde_json::value::RawValue;

use super::auth::Writer;
use super::error::ApiError;
use super::extract::{JsonBody, PathText, tenant_of_path};
use super::preferences::{etag, not_modified};
use super::schema::{Shapes, count, map_of, named, object};
use crate::error::ConfigServiceError;
use crate::limits::check_document;
use crate::precondition::Precondition;
use crate::service::{ConfigService, Written};
use crate::store::edit::Tenant;
use crate::store::list::StoredTenant;

/// `{tenant_id}` of a path whose `{config_key}` is the one there is.
pub(super) struct DocumentOf(TenantId);

impl<S: Send + Sync> FromRequestParts<S> for DocumentOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let PathText((tenant, key)) =
            PathText::<(String, String)>::from_request_parts(parts, state).await?;
        check_key(&key)?;
        Ok(Self(tenant_of_path(&tenant)?))
    }
}

fn check_key(key: &str) -> Result<(), ConfigServiceError> {
    if key == FEATURE_PREFERENCES {
        return Ok(());
    }
    Err(ConfigServiceError::NotFound(format!(
        "config_key {key:?}: the only one is {FEATURE_PREFERENCES}"
    )))
}

#[derive(Serialize)]
struct Document<'a> {
    tenant_id: &'a TenantId,
    config_key: &'static str,
    config_value: BTreeMap<&'a str, &'a RawValue>,
}

/// What a write of several preferences means (M7).
#[derive(Serialize)]
struct DocumentReceipt {
    version: u64,
    features: BTreeMap<String, Receipt>,
}

/// Shows a user's document
///
/// All preferences of the user, as they were stated.
#[utoipa::path(get, path = "/tenants/{tenant_id}/configs/{config_key}", tag = "Preferences",
    operation_id = "show_document",
    responses((status = 200, description = "The document",
        body = ref("#/components/schemas/Document")),
        (status = 304, description = "The reader has it already"),
        (status = 404, description = "The user has no preferences, or there is no such document")))]
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
    let document = Document {
        tenant_id: &tenant,
        config_key: FEATURE_PREFERENCES,
        config_value: raw_preferences(&found)?,
    };
    Ok(([etag(revision)], Json(document)).into_response())
}

/// Returns the preferences of a tenant that are there, as they were stated.
pub(super) fn raw_preferences(
    tenant: &Tenant,
) -> Result<BTreeMap<&str, &RawValue>, ConfigServiceError> {
    let raw = tenant.live().map(|(feature, _, json)| {
        let raw = serde_json::from_str(json)
            .map_err(|error| ConfigServiceError::Unreadable(format!("a preference: {error}")))?;
        Ok((feature.as_str(), raw))
    });
    raw.collect()
}

/// Replaces a user's document
///
/// Features that it omits are deleted, those that differ are written, all in one transaction.
#[utoipa::path(put, path = "/tenants/{tenant_id}/configs/{config_key}", tag = "Preferences",
    operation_id = "put_document",
    request_body = ref("#/components/schemas/DocumentBody"),
    responses((status = 200, description = "It is replaced",
        body = ref("#/components/schemas/DocumentReceipt")),
        (status = 201, description = "It is there now",
            body = ref("#/components/schemas/DocumentReceipt")),
        (status = 404, description = "There is no such document"),
        (status = 412, description = "The precondition does not hold")))]
pub(super) async fn put(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    DocumentOf(tenant): DocumentOf,
    precondition: Precondition,
    JsonBody(document): JsonBody,
) -> Result<Response, ApiError> {
    check_document(&document)?;
    let written = service.put_document(tenant, &document, precondition, actor).await?;
    Ok(answer(written))
}

/// Deletes a user's document
///
/// All preferences of the user are deleted; the user stays.
#[utoipa::path(delete, path = "/tenants/{tenant_id}/configs/{config_key}", tag = "Preferences",
    operation_id = "delete_document",
    responses((status = 200, description = "It is deleted",
        body = ref("#/components/schemas/DocumentReceipt")),
        (status = 404, description = "The user has no preferences, or there is no such document"),
        (status = 412, description = "The precondition does not hold")))]
pub(super) async fn delete(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    DocumentOf(tenant): DocumentOf,
    precondition: Precondition,
) -> Result<Response, ApiError> {
    let written = service.delete_document(tenant, precondition, actor).await?;
    Ok(answer(Written { created: false, ..written }))
}

/// Returns the answer to a write of a document or profile.
pub(super) fn answer(written: Written) -> Response {
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    let features = written.receipts.into_iter();
    let receipt = DocumentReceipt {
        version: written.version,
        features: features
            .map(|(feature, receipt): (FeatureType, _)| (feature.to_string(), receipt))
            .collect(),
    };
    (status, [etag(written.version)], Json(receipt)).into_response()
}

/// Tenants that are read together for the stream of documents.
const TENANTS_A_PAGE: usize = 1_000;

/// Lists the documents of all users
///
/// One document a line, ascending by the users' numbers, streamed. A user without preferences has
/// no line. It is no snapshot: what is written meanwhile may be in it or not.
#[utoipa::path(get, path = "/configs/{config_key}/all-tenants", tag = "Preferences",
    operation_id = "list_documents",
    responses((status = 200, description = "JSON Lines", content_type = "application/x-ndjson",
        body = String),
        (status = 404, description = "There is no such document")))]
pub(super) async fn all(
    State(service): State<ConfigService>,
    PathText(key): PathText<String>,
) -> Result<Response, ApiError> {
    check_key(&key)?;
    // The first page is read before the answer begins, so that a database that fails is an error
    // and not an empty list.
    let first = service.documents(0, TENANTS_A_PAGE).await?;
    let pages = stream::try_unfold(Some(first), move |page| {
        let service = service.clone();
        async move {
            let Some(page) = page else { return Ok(None) };
            let next = match page.last().and_then(|last| last.tenant.number) {
                Some(last) => Some(service.documents(last as u64, TENANTS_A_PAGE).await?),
                None => None,
            };
            Ok::<_, ConfigServiceError>(Some((lines(&page)?, next)))
        }
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((
        kind,
        Body::from_stream(
            pages.inspect_err(|error| tracing::error!(%error, "a list of documents was cut off")),
        ),
    )
        .into_response())
}

fn lines(tenants: &[StoredTenant]) -> Result<String, ConfigServiceError> {
    let mut text = String::new();
    for StoredTenant { tenant_id, tenant } in
        tenants.iter().filter(|stored| stored.tenant.live().next().is_some())
    {
        let document = Document {
            tenant_id,
            config_key: FEATURE_PREFERENCES,
            config_value: raw_preferences(tenant)?,
        };
        text.push_str(&serde_json::to_string(&document).expect("a document is always JSON"));
        text.push('\n');
    }
    Ok(text)
}

/// Returns the shapes of documents.
pub(super) fn shapes() -> Shapes {
    let features = || {
        map_of(named("Preference"))
            .with("maxProperties", 1000)
            .with("propertyNames", named("FeatureType"))
    };
    vec![
        (
            "Document",
            object()
                .field("tenant_id", named("TenantId"))
                .field("config_key", named("ConfigKey"))
                .field("config_value", features()),
        ),
        (
            "DocumentBody",
            object()
                .optional("tenant_id", named("TenantId"))
                .optional("config_key", named("ConfigKey"))
                .field("config_value", features()),
        ),
        (
            "DocumentReceipt",
            object().field("version", count()).field("features", map_of(named("Receipt"))),
        ),
    ]
}
