//! `/storage/ledger`: how much room the ledger takes (F13).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cohort_database::DiskUsage;
use cohort_ledger::Ledger;

use super::problem::Reply;

/// `GET /storage/ledger` tells how much room the ledger takes, and how much is left on its disk.
pub(super) async fn show(State(ledger): State<Arc<dyn Ledger>>) -> Reply<DiskUsage> {
    Ok(Json(ledger.disk_usage().await?))
}
