//! The feature registry (W1, W7, T12), and who has not stated anything for a feature (T13).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cohort_preferences::{FeatureType, FieldError, TenantFilter};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::IntoParams;

use super::auth::Writer;
use super::error::ApiError;
use super::extract::{FeatureOf, JsonBody, QueryOf};
use super::preferences::{etag, not_modified};
use super::schema::{Shape, Shapes, any_of, count, flag, integer, list_of, named, object, text};
use crate::precondition::Precondition;
use crate::registry::Definition;
use crate::service::{ConfigService, TenantMemberPage};
use crate::store::list::ChosenTenant;

/// The most broken preferences that a dry run names.
const MOST_NAMED: usize = 100;

/// Lists the registered features
#[utoipa::path(get, path = "/feature-types", tag = "Features", operation_id = "list_feature_types",
    responses((status = 200, description = "All of them, by name",
        body = ref("#/components/schemas/FeatureTypeList"))))]
pub(super) async fn list(
    State(service): State<ConfigService>,
) -> Result<Json<FeatureTypeList>, ApiError> {
    let registry = service.registry().await?;
    let features = registry.all().map(|registered| (&registered.definition).into());
    Ok(Json(FeatureTypeList { feature_types: features.collect() }))
}

#[derive(Serialize)]
pub(super) struct FeatureTypeList {
    feature_types: Vec<RegisteredFeature>,
}

/// A definition as it is shown.
#[derive(Serialize)]
struct RegisteredFeature {
    feature_type: FeatureType,
    version: u64,
    registered_at: Timestamp,
    registered_by: String,
    definition: Value,
}

impl From<&Definition> for RegisteredFeature {
    fn from(definition: &Definition) -> Self {
        Self {
            feature_type: definition.feature.clone(),
            version: definition.version,
            registered_at: definition.at,
            registered_by: definition.actor.clone(),
            definition: definition.content.to_json(),
        }
    }
}

/// Shows a registered feature
#[utoipa::path(get, path = "/feature-types/{feature_type}", tag = "Features",
    operation_id = "show_feature_type",
    responses((status = 200, description = "Its newest definition",
        body = ref("#/components/schemas/RegisteredFeature")),
        (status = 304, description = "The reader has it already"),
        (status = 404, description = "It is not registered")))]
pub(super) async fn show(
    State(service): State<ConfigService>,
    FeatureOf(feature): FeatureOf,
    precondition: Precondition,
) -> Result<Response, ApiError> {
    let definition = service.definition(&feature).await?;
    if precondition.is_none_match_broken(Some(definition.version)) {
        return Ok(not_modified(definition.version));
    }
    Ok(([etag(definition.version)], Json(RegisteredFeature::from(&definition))).into_response())
}

/// Whether to store it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Put {
    /// Store nothing, and answer which stored preferences the definition would not allow.
    #[serde(default)]
    dry_run: bool,
}

/// Registers a feature
///
/// As its next version. Stored preferences stay valid under the version that they passed; `dry_run`
/// tells which of them the new one would not allow: how many, and the first hundred. Once any
/// feature is registered, others are refused.
#[utoipa::path(put, path = "/feature-types/{feature_type}", tag = "Features",
    operation_id = "put_feature_type", params(Put),
    request_body = ref("#/components/schemas/FeatureDefinition"),
    responses((status = 200, description = "It is registered anew, or what the dry run found",
            body = ref("#/components/schemas/RegisteredOrTrial")),
        (status = 201, description = "It is registered",
            body = ref("#/components/schemas/RegisteredFeature")),
        (status = 412, description = "The precondition does not hold")))]
pub(super) async fn put(
    State(service): State<ConfigService>,
    Writer(actor): Writer,
    FeatureOf(feature): FeatureOf,
    QueryOf(Put { dry_run }): QueryOf<Put>,
    precondition: Precondition,
    JsonBody(definition): JsonBody,
) -> Result<Response, ApiError> {
    if dry_run {
        return Ok(Json(try_out(&service, feature, &definition).await?).into_response());
    }
    let stored = service.put_definition(feature, &definition, precondition, actor).await?;
    let status = if stored.version == 1 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [etag(stored.version)], Json(RegisteredFeature::from(&stored))).into_response())
}

/// What a dry run found.
#[derive(Serialize)]
struct Trial {
    preferences: u64,
    broken_count: usize,
    broken: Vec<BrokenPreference>,
}

#[derive(Serialize)]
struct BrokenPreference {
    tenant_id: String,
    version: u64,
    errors: Vec<FieldError>,
}

async fn try_out(
    service: &ConfigService,
    feature: FeatureType,
    definition: &Value,
) -> Result<Trial, ApiError> {
    let candidate = ConfigService::trial(feature, definition)?;
    let mut trial = Trial { preferences: 0, broken_count: 0, broken: Vec::new() };
    let mut after = Some(0);
    while let Some(behind) = after {
        let page = service.try_out(&candidate, behind).await?;
        trial.preferences += page.looked_at;
        trial.broken_count += page.broken.len();
        let room = MOST_NAMED - trial.broken.len();
        trial.broken.extend(page.broken.into_iter().take(room).map(|broken| BrokenPreference {
            tenant_id: broken.tenant_id,
            version: broken.version,
            errors: broken.errors,
        }));
        after = page.next;
    }
    Ok(trial)
}

/// A page of tenants without a preference.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// As of which instant; now if not said.
    #[param(value_type = Option<String>)]
    as_of: Option<Timestamp>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many; 1,000 if not said. A page may hold fewer, even none, and not be the last.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<usize>,
}

/// Lists tenants that never stated a preference for a feature
///
/// One that was deleted was stated: who deletes is not listed.
#[utoipa::path(get, path = "/features/{feature_type}/unstated", tag = "Features",
    operation_id = "list_unstated", params(Page),
    responses((status = 200, description = "A page of the list",
        body = ref("#/components/schemas/UnstatedPage")),
        (status = 410, description = "The cursor is of another incarnation of the database")))]
pub(super) async fn unstated(
    State(service): State<ConfigService>,
    FeatureOf(feature): FeatureOf,
    QueryOf(Page { as_of, cursor, limit }): QueryOf<Page>,
) -> Result<Json<UnstatedPage>, ApiError> {
    let filter = TenantFilter { unstated: Some(feature), ..TenantFilter::default() };
    let TenantMemberPage { page, as_of, next_cursor } =
        service.chosen(filter, as_of, cursor, limit).await?;
    let tenants = page.tenants.into_iter().map(UnstatedTenant::from).collect();
    Ok(Json(UnstatedPage { tenants, as_of, position: page.position, next_cursor }))
}

#[derive(Serialize)]
pub(super) struct UnstatedPage {
    tenants: Vec<UnstatedTenant>,
    as_of: Timestamp,
    position: String,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct UnstatedTenant {
    tenant_id: String,
    number: u64,
}

impl From<ChosenTenant> for UnstatedTenant {
    fn from(tenant: ChosenTenant) -> Self {
        Self { tenant_id: tenant.tenant_id, number: tenant.number }
    }
}

/// Returns the shapes of the registry.
pub(super) fn shapes() -> Shapes {
    let by_label = limits().field("label", named("LabelFilter"));
    vec![
        ("Policy", limits().optional("by_label", list_of(by_label).most_items(100))),
        (
            "FeatureDefinition",
            object()
                .optional("description", text().with("maxLength", 2000))
                .optional("schema", schema())
                .optional("policy", named("Policy"))
                .optional("default_preferences", named("Preference")),
        ),
        (
            "RegisteredFeature",
            object()
                .field("feature_type", named("FeatureType"))
                .field("version", count())
                .field("registered_at", named("Instant"))
                .field("registered_by", text())
                .field("definition", named("FeatureDefinition")),
        ),
        ("FeatureTypeList", object().field("feature_types", list_of(named("RegisteredFeature")))),
        (
            "Trial",
            object()
                .field("preferences", count().described("How many were looked at."))
                .field("broken_count", count())
                .field("broken", list_of(broken())),
        ),
        ("RegisteredOrTrial", any_of([named("RegisteredFeature"), named("Trial")])),
        (
            "UnstatedPage",
            object()
                .field("tenants", list_of(unstated_tenant()))
                .field("as_of", named("Instant"))
                .field("position", named("Position"))
                .field("next_cursor", named("Cursor").or_null()),
        ),
    ]
}

/// Returns what a policy allows, to all or to those of a label.
fn limits() -> Shape {
    let hours = object().field("from", named("TimeOfDay")).field("to", named("TimeOfDay"));
    object()
        .optional("frequencies", list_of(named("Frequency")).least_items(1))
        .optional("least_interval", text().described("Such as 24h."))
        .optional("slot_minutes", integer().at_least(1).at_most(1440))
        .optional("hours", hours)
}

fn schema() -> Shape {
    any_of([Shape::any_object(), flag()]).described("JSON Schema 2020-12 of template_overrides.")
}

fn broken() -> Shape {
    object()
        .field("tenant_id", text())
        .field("version", count())
        .field("errors", list_of(named("FieldError")))
}

fn unstated_tenant() -> Shape {
    object().field("tenant_id", named("TenantId")).field("number", count())
}
