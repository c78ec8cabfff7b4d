//! `/batch-config`: all jobs and purposes in one document.

use axum::extract::rejection::{QueryRejection, StringRejection};
use axum::extract::{Query, State};
use axum::{Extension, Json};
use cohort_config_client::KeyInfo;
use cohort_preferences::BatchDocuments;
use serde::Deserialize;
use serde_json::Value;

use super::problem::Reply;
use crate::registry::{ApplyReport, JobRegistry, RegistryError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyQuery {
    /// Only say what would change.
    #[serde(default)]
    dry_run: bool,
}

/// `GET /batch-config` returns what is in force, as one batch config.
pub(super) async fn show(State(registry): State<JobRegistry>) -> Reply<Value> {
    Ok(Json(registry.documents().await?.to_json()))
}

/// `PUT /batch-config` makes what is in force what the body says, and returns what that changed;
/// with `dry_run=true`, what it would change.
pub(super) async fn apply(
    State(registry): State<JobRegistry>,
    Extension(holder): Extension<KeyInfo>,
    query: Result<Query<ApplyQuery>, QueryRejection>,
    body: Result<String, StringRejection>,
) -> Reply<ApplyReport> {
    let Query(ApplyQuery { dry_run }) = query?;
    let wanted = BatchDocuments::from_json(&body?).map_err(RegistryError::from)?;
    let report = if dry_run {
        registry.preview(&wanted).await?
    } else {
        registry.apply(&wanted, &holder.name).await?
    };
    Ok(Json(report))
}
