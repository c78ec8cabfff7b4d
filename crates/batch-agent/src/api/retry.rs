//! `/runs/retry`, `/runs/{id}/retry` and `/jobs/{job}/retry`: users who failed are tried again
//! (D6).

use axum::Json;
use axum::extract::rejection::{PathRejection, StringRejection};
use axum::extract::{Path, State};
use cohort_ledger::RunId;
use cohort_preferences::JobId;
use serde::Serialize;

use super::choice::{ChoiceBody, read_body};
use super::problem::Reply;
use crate::registry::{Choice, ChosenWork, JobRegistry, Retried, Retry};

/// Who was requeued, or would be.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum RetryReply {
    Done(Retried),
    WouldBe(ChosenWork),
}

/// `POST /runs/retry` requeues users wherever they failed, and returns how many.
pub(super) async fn chosen(
    State(registry): State<JobRegistry>,
    body: Result<String, StringRejection>,
) -> Reply<RetryReply> {
    let body = read_body(&body?)?;
    retry(&registry, body, |choice| choice).await
}

/// `POST /runs/{id}/retry` requeues users of one run, and returns how many.
pub(super) async fn of_run(
    State(registry): State<JobRegistry>,
    id: Result<Path<RunId>, PathRejection>,
    body: Result<String, StringRejection>,
) -> Reply<RetryReply> {
    let Path(id) = id?;
    let body: ChoiceBody = read_body(&body?)?;
    body.refuse("one run, which is of one instant", &["since"])?;
    retry(&registry, body, |choice| Choice { run: Some(id), ..choice }).await
}

/// `POST /jobs/{job}/retry` requeues users of all runs of a job, and returns how many.
pub(super) async fn of_job(
    State(registry): State<JobRegistry>,
    job: Result<Path<JobId>, PathRejection>,
    body: Result<String, StringRejection>,
) -> Reply<RetryReply> {
    let Path(job) = job?;
    let body = read_body(&body?)?;
    retry(&registry, body, |choice| Choice { job: Some(job), ..choice }).await
}

async fn retry(
    registry: &JobRegistry,
    body: ChoiceBody,
    of_path: impl FnOnce(Choice) -> Choice,
) -> Reply<RetryReply> {
    body.refuse("a retry", &["id"])?;
    let (new_key, dry_run) = (body.new_key, body.dry_run);
    let choice = of_path(body.choice()?);
    Ok(Json(if dry_run {
        RetryReply::WouldBe(registry.preview_retry(&choice).await?)
    } else {
        RetryReply::Done(registry.retry(&Retry { choice, new_key }).await?)
    }))
}
