//! The members of many groups as one list, or what became of them.

use axum::extract::State;
use axum::response::Response;
use cohort_preferences::{FeatureType, Invalid};
use jiff::Timestamp;
use serde::Deserialize;

use super::named::Named;
use super::page::{moved_body, page_body};
use super::users::member_page;
use crate::api::error::ApiError;
use crate::api::extract::TypedBody;
use crate::api::schema::{Shapes, count, integer, list_of, named, object};
use crate::service::{ConfigService, ListRequest};

/// [`cohort_preferences::MembersRequest`], or what became of such a list since a position of the
/// feed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct MembersBody {
    feature_type: FeatureType,
    groups: Vec<Named>,
    as_of: Timestamp,
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    changed_since: Option<String>,
}

/// Lists the members of many groups as one list
///
/// With `changed_since`, a position of the feed, only those whose preference has changed since:
/// `members` are those who are members as of the instant, `gone` the numbers of those who are not.
#[utoipa::path(post, path = "/preferences/groups/members", tag = "Groups",
    operation_id = "list_members_of_groups",
    request_body = ref("#/components/schemas/MembersRequest"),
    responses((status = 200, description = "A page of the list",
        body = ref("#/components/schemas/MovedPage")),
        (status = 410,
            description = "The cursor is gone, or too much has changed since: list all of them")))]
pub(in crate::api) async fn members(
    State(service): State<ConfigService>,
    TypedBody(request): TypedBody<MembersBody>,
) -> Result<Response, ApiError> {
    let groups = request.groups.into_iter().map(|Named(group)| group).collect();
    if let Some(since) = &request.changed_since {
        if request.cursor.is_some() || request.limit.is_some() {
            return Err(Invalid::one("/changed_since", "goes without cursor and limit").into());
        }
        let moved = service.moved(request.feature_type, groups, Some(request.as_of), since).await?;
        return Ok(moved_body(moved));
    }
    let request = ListRequest {
        feature: request.feature_type,
        groups,
        as_of: Some(request.as_of),
        cursor: request.cursor,
        limit: request.limit,
    };
    Ok(page_body(&service.members(request).await?))
}

/// Returns the shapes of one list of many groups.
pub(in crate::api) fn shapes() -> Shapes {
    vec![
        (
            "MembersRequest",
            object()
                .field("feature_type", named("FeatureType"))
                .field("groups", list_of(named("Group")).most_items(1000))
                .field("as_of", named("Instant"))
                .optional("cursor", named("Cursor").or_null())
                .optional("limit", integer().at_least(1).at_most(5000).or_null())
                .optional("changed_since", named("Position").or_null()),
        ),
        ("MovedPage", member_page().optional("gone", list_of(count()))),
    ]
}
