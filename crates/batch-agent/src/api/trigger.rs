//! `/jobs/{job}/trigger`: everybody whom a job serves is run now.

use axum::Json;
use axum::extract::rejection::{PathRejection, StringRejection};
use axum::extract::{Path, State};
use cohort_preferences::JobId;
use serde::{Deserialize, Serialize};

use super::choice::read_body;
use super::problem::Reply;
use crate::registry::{JobRegistry, TriggerPreview, Triggered};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerBody {
    /// Only say how many would be run.
    #[serde(default)]
    dry_run: bool,
}

/// The runs, or how many users they would have.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum TriggerReply {
    Opened(Triggered),
    WouldBe(TriggerPreview),
}

/// `POST /jobs/{job}/trigger` opens the runs, and returns their numbers.
pub(super) async fn trigger(
    State(registry): State<JobRegistry>,
    job: Result<Path<JobId>, PathRejection>,
    body: Result<String, StringRejection>,
) -> Reply<TriggerReply> {
    let Path(job) = job?;
    let body = body?;
    // A body of null is what programs send that have nothing to say.
    let text = if body.trim() == "null" { "" } else { &body };
    let TriggerBody { dry_run } = read_body(text)?;
    Ok(Json(if dry_run {
        TriggerReply::WouldBe(registry.preview_trigger(&job).await?)
    } else {
        TriggerReply::Opened(registry.trigger(&job).await?)
    }))
}
