//! `/batch-config`: all jobs and purposes in one document.

use axum::extract::rejection::{QueryRejection, StringRejection};
use axum::extract::{Query, State};
use axum::{Extension, Json};
use cohort_config_client::KeyInfo;
use cohort_preferences::BatchDocuments;
use problem_details::ProblemDetails;
use serde::Deserialize;
use serde_json::Value;

use super::problem;
use crate::registry::{ApplyReport, JobRegistry, RegistryError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyQuery {
    /// Only say what would change.
    #[serde(default)]
    dry_run: bool,
}

/// What is in force, as one batch config.
pub(super) async fn show(
    State(registry): State<JobRegistry>,
) -> Result<Json<Value>, ProblemDetails> {
    let documents = registry.documents().await.map_err(|error| problem::of_registry(&error))?;
    Ok(Json(documents.to_json()))
}

/// Makes what is in force what the body says.
pub(super) async fn apply(
    State(registry): State<JobRegistry>,
    Extension(holder): Extension<KeyInfo>,
    query: Result<Query<ApplyQuery>, QueryRejection>,
    body: Result<String, StringRejection>,
) -> Result<Json<ApplyReport>, ProblemDetails> {
    let Query(ApplyQuery { dry_run }) =
        query.map_err(|rejection| problem::bad_query(&rejection))?;
    let text = body.map_err(|rejection| problem::bad_body(&rejection))?;
    let wanted = BatchDocuments::from_json(&text)
        .map_err(|error| problem::of_registry(&RegistryError::from(error)))?;
    let report = if dry_run {
        registry.preview(&wanted).await
    } else {
        registry.apply(&wanted, &holder.name).await
    };
    report.map(Json).map_err(|error| problem::of_registry(&error))
}
