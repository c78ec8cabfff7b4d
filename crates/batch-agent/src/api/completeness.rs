//! `/account`: what was due, held against what is on record (A1).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::SignedDuration;
use problem_details::ProblemDetails;
use serde::Deserialize;

use super::problem;
use crate::clock::saturating_add;
use crate::completeness::{CompletenessCheck, CompletenessReport, Depth};
use crate::evidence::EvidenceError;
use crate::registry::JobRegistry;

/// How far back is looked, if the request does not say.
const LOOKS_BACK: SignedDuration = SignedDuration::from_hours(48);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompletenessQuery {
    /// How far back, such as `48h`.
    since: Option<SignedDuration>,
}

/// The report of all jobs, each run's members counted.
pub(super) async fn show(
    State(registry): State<JobRegistry>,
    query: Result<Query<CompletenessQuery>, QueryRejection>,
) -> Result<Json<CompletenessReport>, ProblemDetails> {
    let Query(CompletenessQuery { since }) =
        query.map_err(|rejection| problem::bad_query(&rejection))?;
    let check =
        CompletenessCheck::new(registry.evidence().ok_or_else(problem::no_config_database)?);
    let since = saturating_add(registry.clock().now(), -since.unwrap_or(LOOKS_BACK).abs());
    check.report_since(since, Depth::Members).await.map(Json).map_err(|error| match error {
        EvidenceError::Ledger(error) => problem::of_ledger(&error),
        EvidenceError::Source(error) => problem::of_source(&error),
    })
}
