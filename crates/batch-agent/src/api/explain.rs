//! `/tenants/{tenant_id}/explain`: why a job did a user's work at a moment, or did not (A3).

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use cohort_preferences::{JobId, TenantId};
use problem_details::ProblemDetails;
use serde::Deserialize;

use super::problem;
use crate::evidence::EvidenceError;
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

pub(super) async fn explain(
    State(registry): State<JobRegistry>,
    tenant: Result<Path<TenantId>, PathRejection>,
    query: Result<Query<ExplainQuery>, QueryRejection>,
) -> Result<Json<Explanation>, ProblemDetails> {
    let Path(tenant) = tenant.map_err(|rejection| problem::bad_path(&rejection))?;
    let Query(ExplainQuery { job, at }) =
        query.map_err(|rejection| problem::bad_query(&rejection))?;
    let evidence = registry.evidence().ok_or_else(problem::no_config_database)?;
    let explained = Explainer::new(evidence).explain(&tenant, &job, at).await;
    explained.map(Json).map_err(|error| match error {
        EvidenceError::Ledger(error) => problem::of_ledger(&error),
        EvidenceError::Source(error) => problem::of_source(&error),
    })
}
