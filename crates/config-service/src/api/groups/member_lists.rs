//! The members of many lists of groups, each list by itself.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cohort_preferences::{FeatureType, MemberListsRequest};
use jiff::Timestamp;
use serde::Deserialize;

use super::named::Named;
use super::page::render_lists;
use crate::api::error::ApiError;
use crate::api::extract::TypedBody;
use crate::api::schema::{Shapes, count, integer, list_of, named, object};
use crate::service::ConfigService;

/// [`MemberListsRequest`], strictly.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListsBody {
    feature_type: FeatureType,
    lists: Vec<Vec<Named>>,
    as_of: Timestamp,
    #[serde(default)]
    limit: Option<usize>,
}

/// Lists the members of many lists of groups, each list by itself
///
/// As of one instant, each list whole and with its own count, as long as all of them together have
/// at most `limit` members. A list for which there is no room is `null`; `POST
/// /preferences/groups/members` gives it in pages.
#[utoipa::path(post, path = "/preferences/groups/member-lists", tag = "Groups",
    operation_id = "list_members_of_many_lists",
    request_body = ref("#/components/schemas/MemberListsRequest"),
    responses((status = 200, description = "The lists, in the order asked",
        body = ref("#/components/schemas/MemberLists"))))]
pub(in crate::api) async fn member_lists(
    State(service): State<ConfigService>,
    TypedBody(ListsBody { feature_type, lists, as_of, limit }): TypedBody<ListsBody>,
) -> Result<Response, ApiError> {
    let groups = |list: Vec<Named>| list.into_iter().map(|Named(group)| group).collect();
    let lists = lists.into_iter().map(groups).collect();
    let lists =
        service.member_lists(MemberListsRequest { feature_type, lists, as_of, limit }).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], render_lists(&lists)).into_response())
}

/// Returns the shapes of many lists.
pub(in crate::api) fn shapes() -> Shapes {
    vec![
        (
            "MemberListsRequest",
            object()
                .field("feature_type", named("FeatureType"))
                .field("lists", list_of(list_of(named("Group"))).most_items(1000))
                .field("as_of", named("Instant"))
                .optional("limit", integer().at_least(1).at_most(5000).or_null()),
        ),
        (
            "MemberLists",
            object()
                .field("lists", list_of(named("WholeList").or_null()))
                .field("position", named("Position")),
        ),
        (
            "WholeList",
            object().field("members", list_of(named("Member"))).field("count_as_of", count()),
        ),
    ]
}
