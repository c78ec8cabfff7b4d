//! Whether the groups say what the preferences say.

use axum::Json;
use axum::extract::State;
use cohort_preferences::{FeatureType, StatedGroup};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::api::error::ApiError;
use crate::api::extract::QueryOf;
use crate::api::schema::{Shapes, count, flag, list_of, named, object, text};
use crate::service::ConfigService;
use crate::store::list::{Drift, Miscounted, Misplaced};

/// Whether to set right what is found.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Check {
    /// Set right what is found.
    #[serde(default)]
    repair: bool,
}

/// Checks the groups
///
/// Computes them from all preferences and compares; takes as long as reading everything does.
#[utoipa::path(post, path = "/preferences/groups/check", tag = "Groups",
    operation_id = "check_groups", params(Check),
    responses((status = 200, description = "What was found",
        body = ref("#/components/schemas/Drift"))))]
pub(in crate::api) async fn check(
    State(service): State<ConfigService>,
    QueryOf(Check { repair }): QueryOf<Check>,
) -> Result<Json<Report>, ApiError> {
    Ok(Json(service.drift(repair).await?.into()))
}

/// What was found, as it is shown.
#[derive(Serialize)]
pub(in crate::api) struct Report {
    preferences: u64,
    groups: u64,
    misplaced: Vec<MisplacedUser>,
    misplaced_count: u64,
    miscounted: Vec<MiscountedGroup>,
    miscounted_count: u64,
    repaired: bool,
}

#[derive(Serialize)]
struct MisplacedUser {
    feature_type: FeatureType,
    tenant_id: String,
}

#[derive(Serialize)]
struct MiscountedGroup {
    feature_type: FeatureType,
    group: StatedGroup,
    count: u64,
    members: u64,
}

impl From<Drift> for Report {
    fn from(drift: Drift) -> Self {
        Self {
            preferences: drift.preferences,
            groups: drift.groups,
            misplaced: drift.misplaced.into_iter().map(MisplacedUser::from).collect(),
            misplaced_count: drift.misplaced_count,
            miscounted: drift.miscounted.into_iter().map(MiscountedGroup::from).collect(),
            miscounted_count: drift.miscounted_count,
            repaired: drift.is_repaired,
        }
    }
}

impl From<Misplaced> for MisplacedUser {
    fn from(found: Misplaced) -> Self {
        Self { feature_type: found.feature, tenant_id: found.tenant_id }
    }
}

impl From<Miscounted> for MiscountedGroup {
    fn from(found: Miscounted) -> Self {
        Self {
            feature_type: found.feature,
            group: found.group,
            count: found.kept,
            members: found.counted,
        }
    }
}

/// Returns the shape of what was found.
pub(in crate::api) fn shapes() -> Shapes {
    let misplaced = object().field("feature_type", named("FeatureType")).field("tenant_id", text());
    let miscounted = object()
        .field("feature_type", named("FeatureType"))
        .field("group", named("Group"))
        .field("count", count())
        .field("members", count());
    let drift = object()
        .field("preferences", count())
        .field("groups", count())
        .field("misplaced", list_of(misplaced))
        .field("misplaced_count", count())
        .field("miscounted", list_of(miscounted))
        .field("miscounted_count", count())
        .field("repaired", flag());
    vec![("Drift", drift)]
}
