//! Signed links: one user's own preferences, for a while (W4).

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::extract::{TenantOf, TypedBody};
use super::schema::{Shapes, named, object, text};
use crate::lifetime::Lifetime;
use crate::service::ConfigService;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLink {
    expires_in: Lifetime,
}

#[derive(Serialize)]
struct Made {
    token: String,
    expires_at: Timestamp,
}

/// Makes a link to a user's own preferences
///
/// The token goes as `Authorization: Bearer …`. It opens the preferences of this tenant and nothing
/// else, until it expires or the tenant is erased; nothing is stored of it. A tenant who never
/// wrote is there from now on.
#[utoipa::path(post, path = "/tenants/{tenant_id}/links", tag = "Tenants",
    operation_id = "create_link",
    request_body = ref("#/components/schemas/NewLink"),
    responses((status = 201, description = "The token",
        body = ref("#/components/schemas/MadeLink"))))]
pub(super) async fn create(
    State(service): State<ConfigService>,
    TenantOf(tenant): TenantOf,
    TypedBody(wanted): TypedBody<NewLink>,
) -> Result<Response, ApiError> {
    let (token, expires_at) = service.create_link(tenant, wanted.expires_in).await?;
    Ok((
        StatusCode::CREATED,
        [(header::CACHE_CONTROL, "no-store")],
        Json(Made { token, expires_at }),
    )
        .into_response())
}

/// A whole number of s, m, h or d: at most 30d.
const EXPIRES_IN: &str = "^([1-9][0-9]{0,5}s|[1-9][0-9]{0,3}m|([1-9][0-9]?|[1-6][0-9]{2})h|\
    ([1-9]|[12][0-9]|30)d)$";

/// Returns the shapes of links.
pub(super) fn shapes() -> Shapes {
    let expires_in =
        text().described("A whole number of s, m, h or d: at most 30d.").pattern(EXPIRES_IN);
    vec![
        ("NewLink", object().field("expires_in", expires_in)),
        (
            "MadeLink",
            object().field("token", text().pattern("^link_")).field("expires_at", named("Instant")),
        ),
    ]
}
