//! Tenants as members of static jobs and of enrolments, whatever they prefer (T13), and what work
//! is shared out by (D7).

use axum::Json;
use axum::extract::State;
use cohort_preferences::{LabelValues, LabelValuesRequest, TenantMembersRequest, TenantTimezones};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::extract::TypedBody;
use super::schema::{Shape, Shapes, integer, list_of, named, object, text};
use crate::service::{ConfigService, TenantMemberPage};
use crate::store::list::ChosenTenant;

/// Lists tenants as of an instant
///
/// Those of a filter, or those that never stated a preference for a feature. Labels and zones are
/// those of now.
#[utoipa::path(post, path = "/all-tenants/members", tag = "Tenants",
    operation_id = "list_tenants_as_members",
    request_body = ref("#/components/schemas/TenantMembersRequest"),
    responses((status = 200, description = "A page of the list",
        body = ref("#/components/schemas/TenantMemberPage")),
        (status = 410, description = "The cursor is of another incarnation of the database")))]
pub(super) async fn members(
    State(service): State<ConfigService>,
    TypedBody(asked): TypedBody<TenantMembersRequest>,
) -> Result<Json<Page>, ApiError> {
    let TenantMembersRequest { filter, as_of, cursor, limit } = asked;
    let TenantMemberPage { page, next_cursor, .. } =
        service.chosen(filter, Some(as_of), cursor, limit).await?;
    Ok(Json(Page {
        members: page.tenants.into_iter().map(TenantAsMember::from).collect(),
        count_as_of: page.count_as_of,
        position: page.position,
        next_cursor,
    }))
}

#[derive(Serialize)]
pub(super) struct Page {
    members: Vec<TenantAsMember>,
    count_as_of: Option<u64>,
    position: String,
    next_cursor: Option<String>,
}

/// A tenant as a member who stated nothing.
#[derive(Serialize)]
struct TenantAsMember {
    tenant_id: String,
    number: u64,
    version: u64,
    member_since: Timestamp,
    /// `{}`, or `null` once the tenant is erased.
    preference: Value,
}

impl From<ChosenTenant> for TenantAsMember {
    fn from(tenant: ChosenTenant) -> Self {
        Self {
            tenant_id: tenant.tenant_id,
            number: tenant.number,
            version: 0,
            member_since: tenant.since,
            preference: if tenant.is_erased { Value::Null } else { json!({}) },
        }
    }
}

/// Lists the time zones that tenants call their own
///
/// `-` stands for those who name none.
#[utoipa::path(get, path = "/all-tenants/timezones", tag = "Tenants",
    operation_id = "list_tenant_timezones",
    responses((status = 200, description = "Each zone once",
        body = ref("#/components/schemas/TenantTimezones"))))]
pub(super) async fn timezones(
    State(service): State<ConfigService>,
) -> Result<Json<TenantTimezones>, ApiError> {
    Ok(Json(TenantTimezones { timezones: service.timezones().await? }))
}

/// Reads one label of many tenants
///
/// In the order asked; null for a tenant who does not carry the label.
#[utoipa::path(post, path = "/all-tenants/label-values", tag = "Tenants",
    operation_id = "read_label_values",
    request_body = ref("#/components/schemas/LabelValuesRequest"),
    responses((status = 200, description = "One value a tenant",
        body = ref("#/components/schemas/LabelValues"))))]
pub(super) async fn label_values(
    State(service): State<ConfigService>,
    TypedBody(asked): TypedBody<LabelValuesRequest>,
) -> Result<Json<LabelValues>, ApiError> {
    Ok(Json(service.label_values(asked).await?))
}

/// Returns the shapes of lists of tenants.
pub(super) fn shapes() -> Shapes {
    let timezone =
        object().field("timezone", named("GroupTimezone")).field("since", named("Instant"));
    vec![
        (
            "TenantMembersRequest",
            object()
                .optional("filter", filter())
                .field("as_of", named("Instant"))
                .optional("cursor", named("Cursor").or_null())
                .optional("limit", integer().at_least(1).at_most(5000).or_null()),
        ),
        (
            "TenantMemberPage",
            object()
                .field("members", list_of(named("Member")))
                .field("count_as_of", integer().or_null())
                .field("position", named("Position"))
                .field("next_cursor", named("Cursor").or_null()),
        ),
        ("TenantTimezones", object().field("timezones", list_of(timezone))),
        (
            "LabelValuesRequest",
            object()
                .field("label", text().pattern("^[a-z0-9_.-]{1,63}$"))
                .field("tenant_ids", list_of(named("AnyTenantId")).most_items(1000)),
        ),
        ("LabelValues", object().field("values", list_of(text().or_null()))),
    ]
}

fn filter() -> Shape {
    object()
        .optional("labels", named("Labels"))
        .optional("timezones", list_of(named("GroupTimezone")))
        .optional("tenant_ids", list_of(named("AnyTenantId")).most_items(1000))
        .optional("unstated", named("FeatureType").or_null())
}
