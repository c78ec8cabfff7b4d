//! `/purposes`: what the jobs are for, and who does the work.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::problem::Reply;
use crate::registry::{JobRegistry, PurposeView};

/// All purposes in force, by name.
#[derive(Serialize)]
pub(super) struct PurposeList {
    purposes: Vec<PurposeView>,
}

/// `GET /purposes` lists the purposes in force.
pub(super) async fn list(State(registry): State<JobRegistry>) -> Reply<PurposeList> {
    Ok(Json(PurposeList { purposes: registry.purposes().await? }))
}
