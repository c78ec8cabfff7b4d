//! When a preference would fire that is not stored (M7).

use axum::Json;
use axum::extract::State;
use cohort_preferences::{FeatureType, NamedRun, NextRun, Zone};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApiError;
use super::extract::{TypedBody, stated};
use super::preferences::with_next_run;
use super::schema::{Shapes, integer, list_of, named, object};
use crate::service::{ConfigService, PreviewRequest};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    preference: Value,
    #[serde(default, deserialize_with = "stated")]
    feature_type: Option<FeatureType>,
    #[serde(default, deserialize_with = "stated")]
    timezone: Option<String>,
    #[serde(default, deserialize_with = "stated")]
    after: Option<Timestamp>,
    #[serde(default, deserialize_with = "stated")]
    count: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct PreviewBody {
    #[serde(flatten)]
    next: NextRun,
    occurrences: Vec<NamedRun>,
}

/// Tells when a preference would run
///
/// Nothing is stored. `feature_type` names the feature whose defaults fill what the preference
/// leaves open, `timezone` the zone of a user whose preference states none.
#[utoipa::path(post, path = "/preview", tag = "Preferences", operation_id = "preview_preference",
    request_body = ref("#/components/schemas/PreviewRequest"),
    responses((status = 200, description = "The next runs, or why none can be named",
        body = ref("#/components/schemas/Preview"))))]
pub(super) async fn preview(
    State(service): State<ConfigService>,
    TypedBody(request): TypedBody<Request>,
) -> Result<Json<PreviewBody>, ApiError> {
    let timezone = request.timezone.as_deref().map(str::parse::<Zone>).transpose();
    let timezone = timezone
        .map_err(|error| cohort_preferences::Invalid::one("/timezone", error.to_string()))?;
    let request = PreviewRequest {
        preference: &request.preference,
        feature: request.feature_type,
        timezone,
        after: request.after,
        count: request.count,
    };
    let preview = service.preview(request).await?;
    Ok(Json(PreviewBody { next: preview.next, occurrences: preview.occurrences }))
}

/// Returns the shapes of a preview.
pub(super) fn shapes() -> Shapes {
    vec![
        (
            "PreviewRequest",
            object()
                .field("preference", named("Preference"))
                .optional("feature_type", named("FeatureType"))
                .optional("timezone", named("Timezone"))
                .optional("after", named("Instant"))
                .optional("count", integer().at_least(1).at_most(100)),
        ),
        ("Preview", with_next_run(&object().field("occurrences", list_of(named("NamedRun"))))),
    ]
}
