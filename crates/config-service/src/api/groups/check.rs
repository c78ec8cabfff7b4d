//! Whether the groups say what the preferences say.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::api::error::ApiError;
use crate::api::extract::QueryOf;
use crate::api::schema::{Shapes, count, flag, list_of, named, object, text};
use crate::service::ConfigService;

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
) -> Result<Json<Value>, ApiError> {
    let drift = service.drift(repair).await?;
    let misplaced: Vec<_> = drift
        .misplaced
        .iter()
        .map(|found| json!({"feature_type": found.feature, "tenant_id": found.tenant_id}))
        .collect();
    let miscounted = drift.miscounted.iter().map(|found| {
        json!({"feature_type": found.feature, "group": found.group, "count": found.kept,
                "members": found.counted})
    });
    Ok(Json(json!({
        "preferences": drift.preferences,
        "groups": drift.groups,
        "misplaced": misplaced,
        "misplaced_count": drift.misplaced_count,
        "miscounted": miscounted.collect::<Vec<_>>(),
        "miscounted_count": drift.miscounted_count,
        "repaired": drift.is_repaired,
    })))
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
