//! `/recovery`: whether the ledger was restored, and how it goes on (F11).

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use cohort_config_client::KeyInfo;
use cohort_ledger::RecoveryChoice;
use serde::Deserialize;

use super::problem::Reply;
use crate::registry::{JobRegistry, RecoveryView};

/// What an operator decides.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    choice: RecoveryChoice,
}

/// `GET /recovery` returns whether the ledger was restored, whether agents hold, and what fell due
/// since, by job.
pub(super) async fn show(State(registry): State<JobRegistry>) -> Reply<RecoveryView> {
    Ok(Json(registry.recovery().await?))
}

/// `POST /recovery?choice=rerun` or `mark_missed` lets a ledger go on that is held. Returns what
/// `GET` then does.
pub(super) async fn decide(
    State(registry): State<JobRegistry>,
    holder: Option<Extension<KeyInfo>>,
    decision: Result<Query<Decision>, QueryRejection>,
) -> Reply<RecoveryView> {
    let Query(Decision { choice }) = decision?;
    let by = holder.map_or_else(|| "unknown".to_owned(), |Extension(holder)| holder.name);
    registry.recover(choice, &by).await?;
    Ok(Json(registry.recovery().await?))
}
