//! Tenants: who there is, with timezone and labels; export and erasure of one (W8).

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cohort_preferences::{LabelFilter, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use super::auth::Writer;
use super::configs::{answer, raw_preferences};
use super::error::ApiError;
use super::extract::{JsonBody, QueryOf, TenantOf, parameter};
use super::history::Entry;
use super::preferences::{etag, not_modified};
use super::schema::{Shape, Shapes, count, list_of, map_of, named, object};
use crate::error::ConfigServiceError;
use crate::precondition::Precondition;
use crate::service::{ConfigService, TenantsRequest};
use crate::store::edit::{Profile, Tenant};

/// Entries of the history that an export reads together.
const ENTRIES_A_PAGE: usize = 1_000;

/// Which tenants to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Only those whose id begins so; the list is then in the order of ids.
    q: Option<String>,
    /// Only those that carry this label, as `name:value`.
    label: Option<String>,
    /// Only those that were there at this instant.
    #[param(value_type = Option<String>)]
    as_of: Option<Timestamp>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many; 1,000 if not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct TenantList {
    tenants: Vec<Value>,
    next_cursor: Option<String>,
}

/// Lists tenants
#[utoipa::path(get, path = "/tenants", tag = "Tenants", operation_id = "list_tenants",
    params(Search),
    responses((status = 200, description = "A page of the list",
        body = ref("#/components/schemas/TenantList")),
        (status = 410, description = "The cursor is of another incarnation of the database")))]
pub(super) async fn list(
    State(service): State<ConfigService>,
    QueryOf(search): QueryOf<Search>,
) -> Result<Json<TenantList>, ApiError> {
    let label = search.label.map(|label| parameter::<LabelFilter>("label", &label)).transpose()?;
    let Search { q, as_of, cursor, limit, .. } = search;
    let (tenants, next_cursor) =
        service.tenants(TenantsRequest { q, label, as_of, cursor, limit }).await?;
    let tenants = tenants
        .iter()
        .map(|tenant| profile_json(&tenant.tenant_id, Some(tenant.created_at), &tenant.profile));
    Ok(Json(TenantList { tenants: tenants.collect(), next_cursor }))
}

fn profile_json(tenant: &TenantId, created_at: Option<Timestamp>, profile: &Profile) -> Value {
    let mut fields = Map::from_iter([
        ("tenant_id".into(), json!(tenant)),
        ("created_at".into(), json!(created_at)),
    ]);
    if let Value::Object(more) = profile.to_json() {
        fields.extend(more);
    }
    Value::Object(fields)
}

/// Shows a tenant
#[utoipa::path(get, path = "/tenants/{tenant_id}", tag = "Tenants", operation_id = "show_tenant",
    responses((status = 200, description = "Timezone and labels",
        body = ref("#/components/schemas/Tenant")),
        (status = 304, description = "The reader has it already"),
        (status = 404, description = "There is no such tenant")))]
pub(super) async fn show(
    State(service): State<ConfigService>,
    TenantOf(tenant): TenantOf,
    precondition: Precondition,
) -> Result<Response, ApiError> {
    let found = service.profile(&tenant).await?;
    if precondition.is_none_match_broken(Some(found.profile_version)) {
        return Ok(not_modified(found.profile_version));
    }
    let profile = profile_json(&tenant, found.created_at, &found.profile);
    Ok(([etag(found.profile_version)], Json(profile)).into_response())
}

/// Replaces a tenant's timezone and labels
///
/// Another timezone moves the user in all features whose preference states none: the answer has a
/// receipt for each.
#[utoipa::path(put, path = "/tenants/{tenant_id}", tag = "Tenants", operation_id = "put_tenant",
    request_body = ref("#/components/schemas/Profile"),
    responses((status = 200, description = "They are replaced",
        body = ref("#/components/schemas/DocumentReceipt")),
        (status = 201, description = "The tenant is there now",
            body = ref("#/components/schemas/DocumentReceipt")),
        (status = 412, description = "The precondition does not hold")))]
pub(super) async fn put(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    TenantOf(tenant): TenantOf,
    precondition: Precondition,
    JsonBody(profile): JsonBody,
) -> Result<Response, ApiError> {
    Ok(answer(service.put_profile(tenant, &profile, precondition, actor).await?))
}

/// What an erasure took away (W8).
#[derive(Serialize)]
pub(super) struct ErasureReceipt {
    number: i64,
    erased_at: Timestamp,
    preferences: u64,
    history_entries: u64,
}

/// Erases a tenant
///
/// Takes the person out of documents, history and lists of the past; counts stay. The answer is the
/// receipt.
#[utoipa::path(delete, path = "/tenants/{tenant_id}", tag = "Tenants",
    operation_id = "erase_tenant",
    responses((status = 200, description = "The receipt",
        body = ref("#/components/schemas/ErasureReceipt")),
        (status = 404, description = "There is no such tenant")))]
pub(super) async fn erase(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    TenantOf(tenant): TenantOf,
) -> Result<Json<ErasureReceipt>, ApiError> {
    let erased = service.erase(&tenant, actor).await?;
    Ok(Json(ErasureReceipt {
        number: erased.number,
        erased_at: erased.at,
        preferences: erased.preferences,
        history_entries: erased.changes,
    }))
}

#[derive(Serialize)]
struct Export<'a> {
    #[serde(flatten)]
    profile: Value,
    preferences: std::collections::BTreeMap<&'a str, &'a RawValue>,
    history: Vec<Entry>,
}

/// Exports everything of a tenant
///
/// Profile, preferences and the whole history, with the version of the feature's definition that
/// each passed.
#[utoipa::path(get, path = "/tenants/{tenant_id}/export", tag = "Tenants",
    operation_id = "export_tenant",
    responses((status = 200, description = "Everything", body = ref("#/components/schemas/Export")),
        (status = 404, description = "There is no such tenant")))]
pub(super) async fn export(
    State(service): State<ConfigService>,
    TenantOf(tenant): TenantOf,
) -> Result<Response, ApiError> {
    let found = service.profile(&tenant).await?;
    let export = Export {
        profile: profile_json(&tenant, found.created_at, &found.profile),
        preferences: raw_preferences(&found)?,
        history: whole_history(&service, &tenant, &found).await?,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(export)).into_response())
}

async fn whole_history(
    service: &ConfigService,
    tenant: &TenantId,
    found: &Tenant,
) -> Result<Vec<Entry>, ConfigServiceError> {
    let mut history = Vec::with_capacity(found.revision() as usize);
    let mut cursor = None;
    loop {
        let (entries, next) =
            service.history(tenant, None, cursor.as_deref(), Some(ENTRIES_A_PAGE)).await?;
        for entry in entries {
            history.push(Entry::of(entry)?);
        }
        if next.is_none() {
            return Ok(history);
        }
        cursor = next;
    }
}

/// Returns the shapes of tenants.
pub(super) fn shapes() -> Shapes {
    vec![
        ("Tenant", tenant()),
        (
            "TenantList",
            object()
                .field("tenants", list_of(named("Tenant")))
                .field("next_cursor", named("Cursor").or_null()),
        ),
        (
            "Profile",
            object()
                .optional("timezone", named("Timezone").or_null())
                .optional("labels", named("Labels")),
        ),
        (
            "ErasureReceipt",
            object()
                .field("number", count())
                .field("erased_at", named("Instant"))
                .field("preferences", count())
                .field("history_entries", count()),
        ),
        (
            "Export",
            tenant()
                .field("preferences", map_of(named("Preference")))
                .field("history", list_of(named("HistoryEntry"))),
        ),
    ]
}

fn tenant() -> Shape {
    object()
        .field("tenant_id", named("TenantId"))
        .field("created_at", named("Instant"))
        .field("timezone", named("Timezone").or_null())
        .field("labels", named("Labels"))
}
