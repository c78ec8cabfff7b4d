//! `/runs/rerun`: work that has ended is done again (D13).

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::StringRejection;
use serde::Serialize;

use super::choice::{ChoiceBody, read_body};
use super::problem::Reply;
use crate::registry::{ChosenWork, JobRegistry, Rerun};

/// The rerun, or whose work it would do again.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum RerunReply {
    Opened(Rerun),
    WouldBe(ChosenWork),
}

/// `POST /runs/rerun` opens a rerun, and returns its runs and whose work it does again.
pub(super) async fn rerun(
    State(registry): State<JobRegistry>,
    body: Result<String, StringRejection>,
) -> Reply<RerunReply> {
    let body: ChoiceBody = read_body(&body?)?;
    body.refuse("a rerun, whose keys are new", &["new_key"])?;
    let (id, dry_run) = (body.identifier()?, body.dry_run);
    let choice = body.choice()?;
    Ok(Json(if dry_run {
        RerunReply::WouldBe(registry.preview_rerun(&choice).await?)
    } else {
        RerunReply::Opened(registry.rerun(&choice, id).await?)
    }))
}
