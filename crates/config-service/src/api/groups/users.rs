//! The members of one group, which stands in the path or in the query.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::Response;
use cohort_preferences::StatedGroup;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::page::page_body;
use crate::api::error::ApiError;
use crate::api::extract::{PathText, QueryOf, parameter};
use crate::api::schema::{Shape, Shapes, count, list_of, named, object};
use crate::error::ConfigServiceError;
use crate::service::{ConfigService, ListRequest};

/// A page of members.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// The zone of the group, `-` where none is stated.
    timezone: Option<String>,
    /// As of which instant; now if not said.
    #[param(value_type = Option<String>)]
    as_of: Option<Timestamp>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many members; 1,000 if not said.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<usize>,
}

/// A group and a page of its members.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GroupPage {
    /// The group's frequency, `-` where none is stated.
    frequency: String,
    /// The group's time key.
    time_key: String,
    /// The zone of the group, `-` where none is stated.
    timezone: Option<String>,
    /// As of which instant; now if not said.
    #[param(value_type = Option<String>)]
    as_of: Option<Timestamp>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many members; 1,000 if not said.
    #[param(minimum = 1, maximum = 5000)]
    limit: Option<usize>,
}

/// The parameters of both paths.
#[derive(Debug, Deserialize)]
struct GroupPath {
    feature_type: String,
    frequency: Option<String>,
    time_key: Option<String>,
}

/// Which members to list, of a group that stands in the path or else in the query.
pub(in crate::api) struct MembersOf(ListRequest);

impl<S: Send + Sync> FromRequestParts<S> for MembersOf {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let PathText(path) = PathText::<GroupPath>::from_request_parts(parts, state).await?;
        let feature = parameter("feature_type", &path.feature_type)?;
        let (frequency, time_key, page) = match (path.frequency, path.time_key) {
            (Some(frequency), Some(time_key)) => {
                let QueryOf(page) = QueryOf::<Page>::from_request_parts(parts, state).await?;
                (frequency, time_key, page)
            }
            _ => {
                let QueryOf(group) = QueryOf::<GroupPage>::from_request_parts(parts, state).await?;
                let GroupPage { frequency, time_key, timezone, as_of, cursor, limit } = group;
                (frequency, time_key, Page { timezone, as_of, cursor, limit })
            }
        };
        let Page { timezone, as_of, cursor, limit } = page;
        let group = StatedGroup::parse(&frequency, &time_key, timezone.as_deref().unwrap_or("-"))
            .map_err(|error| ConfigServiceError::Parameter(error.to_string()))?;
        Ok(Self(ListRequest { feature, groups: vec![group], as_of, cursor, limit }))
    }
}

/// Lists the members of a group
///
/// As of an instant. `count_as_of` is counted apart from the list.
#[utoipa::path(get, path = "/features/{feature_type}/frequency-groups/{frequency}/{time_key}/users",
    tag = "Groups",
    operation_id = "list_members", params(Page),
    responses((status = 200, description = "A page of the list",
        body = ref("#/components/schemas/MemberPage")),
        (status = 410, description = "The cursor is of another incarnation of the database")))]
pub(in crate::api) async fn by_path(
    State(service): State<ConfigService>,
    MembersOf(request): MembersOf,
) -> Result<Response, ApiError> {
    Ok(page_body(&service.members(request).await?))
}

/// Lists the members of a group, named in the query
///
/// For those whose time key does not go into a path.
#[utoipa::path(get, path = "/features/{feature_type}/frequency-groups/users", tag = "Groups",
    operation_id = "list_members_by_query", params(GroupPage),
    responses((status = 200, description = "A page of the list",
        body = ref("#/components/schemas/MemberPage")),
        (status = 410, description = "The cursor is of another incarnation of the database")))]
pub(in crate::api) async fn by_query(
    service: State<ConfigService>,
    members: MembersOf,
) -> Result<Response, ApiError> {
    by_path(service, members).await
}

/// Returns the shapes of members.
pub(in crate::api) fn shapes() -> Shapes {
    vec![
        (
            "Member",
            object()
                .field("tenant_id", named("TenantId"))
                .field("number", count())
                .field("version", count())
                .field("member_since", named("Instant"))
                .field("preference", named("Preference").or_null()),
        ),
        ("MemberPage", member_page()),
    ]
}

/// Returns the shape of a page of members.
pub(super) fn member_page() -> Shape {
    object()
        .field("members", list_of(named("Member")))
        .field("count_as_of", count())
        .field("position", named("Position"))
        .field("next_cursor", named("Cursor").or_null())
}
