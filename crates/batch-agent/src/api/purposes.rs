//! `/purposes`: what the jobs are for, who does the work, and how that goes (D12).

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use cohort_config_client::KeyInfo;
use cohort_ledger::HealthState;
use cohort_preferences::PurposeId;
use serde::Serialize;

use super::problem::Reply;
use crate::registry::{JobRegistry, PurposeView, RegistryError};

/// All purposes in force, by name.
#[derive(Serialize)]
pub(super) struct PurposeList {
    purposes: Vec<PurposeView>,
}

type PurposePath = Result<Path<PurposeId>, PathRejection>;

/// `GET /purposes` lists the purposes in force, each with its health.
pub(super) async fn list(State(registry): State<JobRegistry>) -> Reply<PurposeList> {
    Ok(Json(PurposeList { purposes: registry.purposes().await? }))
}

/// `GET /purposes/{purpose}` returns one purpose with its health.
pub(super) async fn show(
    State(registry): State<JobRegistry>,
    purpose: PurposePath,
) -> Reply<PurposeView> {
    let Path(purpose) = purpose?;
    view(&registry, purpose).await
}

/// `POST /purposes/{purpose}/resume` lifts whatever holds a purpose, and returns it.
pub(super) async fn resume(
    State(registry): State<JobRegistry>,
    Extension(holder): Extension<KeyInfo>,
    purpose: PurposePath,
) -> Reply<PurposeView> {
    set(&registry, purpose, HealthState::Healthy, &holder).await
}

/// `POST /purposes/{purpose}/pause` has nobody called until it is resumed, and returns it.
pub(super) async fn pause(
    State(registry): State<JobRegistry>,
    Extension(holder): Extension<KeyInfo>,
    purpose: PurposePath,
) -> Reply<PurposeView> {
    set(&registry, purpose, HealthState::Paused, &holder).await
}

/// `POST /purposes/{purpose}/disable` has its work skipped until it is resumed, and returns it.
pub(super) async fn disable(
    State(registry): State<JobRegistry>,
    Extension(holder): Extension<KeyInfo>,
    purpose: PurposePath,
) -> Reply<PurposeView> {
    set(&registry, purpose, HealthState::Disabled, &holder).await
}

async fn set(
    registry: &JobRegistry,
    purpose: PurposePath,
    state: HealthState,
    holder: &KeyInfo,
) -> Reply<PurposeView> {
    let Path(purpose) = purpose?;
    registry.set_purpose(&purpose, state, &holder.name).await?;
    view(registry, purpose).await
}

async fn view(registry: &JobRegistry, purpose: PurposeId) -> Reply<PurposeView> {
    let purposes = registry.purposes().await?;
    let found = purposes.into_iter().find(|view| view.purpose_id == purpose.as_str());
    Ok(Json(found.ok_or(RegistryError::NoSuchPurpose(purpose))?))
}
