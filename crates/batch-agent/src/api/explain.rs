//! `/tenants/{tenant_id}/explain`: why a job did a user's work at a moment, or did not (A3).

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use cohort_preferences::{JobId, TenantId};
use serde::Deserialize;

use super::problem::{Problem, Reply};
use crate::explain::{Explainer, Explanation, Moment};
use crate::registry::JobRegistry;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainQuery {
    /// Which job.
    job: JobId,
    /// When: an instant, a time on the user's clock, or a day.
    at: Moment,
}

/// `GET /tenants/{tenant_id}/explain` returns the reason, and the steps that led there.
pub(super) async fn explain(
    State(registry): State<JobRegistry>,
    tenant: Result<Path<TenantId>, PathRejection>,
    query: Result<Query<ExplainQuery>, QueryRejection>,
) -> Reply<Explanation> {
    let Path(tenant) = tenant?;
    let Query(ExplainQuery { job, at }) = query?;
    let evidence = registry.evidence().ok_or_else(Problem::no_config_database)?;
    Ok(Json(Explainer::new(evidence).explain(&tenant, &job, at).await?))
}
