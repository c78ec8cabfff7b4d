//! `/stop`, `/runs/cancel`: open work ends (D14).

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::StringRejection;
use cohort_ledger::OpenRuns;

use super::choice::{ChoiceBody, JobsBody, read_body};
use super::problem::Reply;
use crate::registry::{JobRegistry, Stopped};

/// `POST /stop` pauses jobs and ends all their open work, and returns what that was.
pub(super) async fn stop(
    State(registry): State<JobRegistry>,
    body: Result<String, StringRejection>,
) -> Reply<Stopped> {
    let body: JobsBody = read_body(&body?)?;
    let dry_run = body.dry_run;
    let choice = body.choice()?;
    Ok(Json(if dry_run {
        registry.preview_stop(&choice).await?
    } else {
        registry.stop(&choice).await?
    }))
}

/// `POST /runs/cancel` ends open runs, whose jobs go on planning, and returns how many they were.
pub(super) async fn cancel(
    State(registry): State<JobRegistry>,
    body: Result<String, StringRejection>,
) -> Reply<OpenRuns> {
    let body: ChoiceBody = read_body(&body?)?;
    body.refuse("a cancel", &["new_key", "id"])?;
    let dry_run = body.dry_run;
    let choice = body.choice()?;
    Ok(Json(if dry_run {
        registry.preview_cancel(&choice).await?
    } else {
        registry.cancel(&choice).await?
    }))
}
