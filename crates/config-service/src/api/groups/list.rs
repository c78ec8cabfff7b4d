//! A feature's groups.

use axum::Json;
use axum::extract::State;
use cohort_preferences::{FeatureType, GroupList};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::error::ApiError;
use crate::api::extract::{FeatureOf, QueryOf};
use crate::api::schema::{Shape, Shapes, count, list_of, named, object};
use crate::service::ConfigService;

/// A feature and a page of its groups.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct OfFeature {
    /// Of which feature.
    #[param(value_type = String)]
    feature_type: FeatureType,
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many groups; 10,000 if not said.
    #[param(minimum = 1, maximum = 1_000_000)]
    limit: Option<usize>,
}

/// A page of groups.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct GroupsPage {
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many groups; 10,000 if not said.
    #[param(minimum = 1, maximum = 1_000_000)]
    limit: Option<usize>,
}

/// Lists a feature's groups, named in the query
#[utoipa::path(get, path = "/preferences/groups", tag = "Groups",
    operation_id = "list_groups_by_query", params(OfFeature),
    responses((status = 200, description = "Groups that have users, or had some not long ago",
        body = ref("#/components/schemas/GroupList")),
        (status = 410, description = "The cursor is of another incarnation of the database")))]
pub(in crate::api) async fn by_query(
    State(service): State<ConfigService>,
    QueryOf(OfFeature { feature_type, cursor, limit }): QueryOf<OfFeature>,
) -> Result<Json<GroupList>, ApiError> {
    Ok(Json(service.groups(feature_type, cursor.as_deref(), limit).await?))
}

/// Lists a feature's groups
#[utoipa::path(get, path = "/features/{feature_type}/frequency-groups", tag = "Groups",
    operation_id = "list_groups", params(GroupsPage),
    responses((status = 200, description = "Groups that have users, or had some not long ago",
        body = ref("#/components/schemas/GroupList")),
        (status = 410, description = "The cursor is of another incarnation of the database")))]
pub(in crate::api) async fn by_path(
    State(service): State<ConfigService>,
    FeatureOf(feature): FeatureOf,
    QueryOf(GroupsPage { cursor, limit }): QueryOf<GroupsPage>,
) -> Result<Json<GroupList>, ApiError> {
    Ok(Json(service.groups(feature, cursor.as_deref(), limit).await?))
}

/// Returns the shapes of groups.
pub(in crate::api) fn shapes() -> Shapes {
    vec![
        ("Group", group()),
        (
            "GroupSummary",
            group()
                .field("count", count())
                .field("since", named("Instant"))
                .optional("empty_since", named("Instant")),
        ),
        (
            "GroupList",
            object()
                .field("feature_type", named("FeatureType"))
                .field("groups", list_of(named("GroupSummary")))
                .field("defaults", list_of(named("FeatureDefaults")))
                .field("position", named("Position"))
                .field("complete_until", named("Instant"))
                .field("next_cursor", named("Cursor").or_null()),
        ),
        (
            "FeatureDefaults",
            object()
                .field("since", named("Instant"))
                .field("default_preferences", named("Preference").or_null()),
        ),
    ]
}

fn group() -> Shape {
    object()
        .field("frequency", named("GroupFrequency"))
        .field("time_key", named("TimeKey"))
        .field("timezone", named("GroupTimezone"))
}
