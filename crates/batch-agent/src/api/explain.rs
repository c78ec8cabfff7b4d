//! `/tenants/{tenant_id}/explain`: why jobs did a user's work at a moment, or did not (A3).

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use cohort_preferences::{JobId, TenantId};
use serde::{Deserialize, Serialize};

use super::problem::{Problem, Reply};
use crate::explain::{Explainer, Explanation, Moment};
use crate::registry::JobRegistry;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainQuery {
    /// Which job; without it, each that has to do with the user then.
    job: Option<JobId>,
    /// When: an instant, a time on the user's clock, or a day by date or name.
    at: Moment,
}

/// What is told of one job, or of all.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Explained {
    /// Of the job that was asked about.
    One(Box<Explanation>),
    /// Of each job that has to do with the user.
    OfJobs { tenant_id: TenantId, asked: Moment, explanations: Vec<Explanation> },
}

/// `GET /tenants/{tenant_id}/explain` returns the reason, and the steps that led there; without
/// `job`, those of each job that has to do with the user.
pub(super) async fn explain(
    State(registry): State<JobRegistry>,
    tenant: Result<Path<TenantId>, PathRejection>,
    query: Result<Query<ExplainQuery>, QueryRejection>,
) -> Reply<Explained> {
    let Path(tenant) = tenant?;
    let Query(ExplainQuery { job, at }) = query?;
    let evidence = registry.evidence().ok_or_else(Problem::no_config_database)?;
    let explainer = Explainer::new(evidence);
    let told = match job {
        Some(job) => Explained::One(Box::new(explainer.explain(&tenant, &job, at).await?)),
        None => {
            let explanations = explainer.explain_jobs(&tenant, at).await?;
            Explained::OfJobs { tenant_id: tenant, asked: at, explanations }
        }
    };
    Ok(Json(told))
}
