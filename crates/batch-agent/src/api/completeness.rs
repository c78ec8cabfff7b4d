//! `/account`: what was due, held against what is on record (A1).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::{SignedDuration, Timestamp};
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
    let since = before(registry.clock().now(), since.unwrap_or(GOES_BACK));
    let report = CompletenessCheck::new(evidence).report_since(since, Depth::Members).await?;
    Ok(Json(report))
}

/// The instant so long before another, whatever the sign of the span.
fn before(instant: Timestamp, span: SignedDuration) -> Timestamp {
    // Each span has a negative counterpart, whereas the least one has no positive counterpart.
    let back = if span.is_negative() { span } else { -span };
    saturating_add(instant, back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_either_sign_leads_back_and_no_further_than_the_beginning_of_time() {
        let now: Timestamp = "2026-12-01T09:00:00Z".parse().expect("an instant");
        let hour = SignedDuration::from_hours(1);
        for span in [hour, -hour] {
            assert_eq!(before(now, span).to_string(), "2026-12-01T08:00:00Z");
        }
        for span in [SignedDuration::MAX, SignedDuration::MIN] {
            assert_eq!(before(now, span), Timestamp::MIN);
        }
    }
}
