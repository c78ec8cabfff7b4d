//! `/account`: what was due, held against what is on record (A1).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use cohort_preferences::deserialize_duration;
use jiff::SignedDuration;
use serde::Deserialize;

use super::problem::{Problem, Reply};
use crate::clock::saturating_add;
use crate::completeness::{CompletenessCheck, CompletenessReport, Depth};
use crate::registry::JobRegistry;

/// How far back the report goes, if the request does not say.
const GOES_BACK: SignedDuration = SignedDuration::from_hours(48);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompletenessQuery {
    /// How far back the report goes, such as `48h`.
    #[serde(default, deserialize_with = "deserialize_duration")]
    since: Option<SignedDuration>,
}

/// `GET /account` reports on all jobs, with the members of each run counted. Where `since` reaches
/// back beyond the beginning of time, the report covers the whole record.
pub(super) async fn show(
    State(registry): State<JobRegistry>,
    query: Result<Query<CompletenessQuery>, QueryRejection>,
) -> Reply<CompletenessReport> {
    let Query(CompletenessQuery { since }) = query?;
    let evidence = registry.evidence().ok_or_else(Problem::no_config_database)?;
    let since = saturating_add(registry.clock().now(), -since.unwrap_or(GOES_BACK));
    let report = CompletenessCheck::new(evidence).report_since(since, Depth::Members).await?;
    Ok(Json(report))
}
