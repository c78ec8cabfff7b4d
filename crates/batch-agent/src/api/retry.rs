//! `/runs/{id}/retry` and `/jobs/{job}/retry`: users who failed are tried again (D6).

use axum::Json;
use axum::extract::rejection::{PathRejection, StringRejection};
use axum::extract::{Path, State};
use cohort_ledger::{FailedReason, RunId};
use cohort_preferences::{JobId, TenantId};
use jiff::Timestamp;
use serde::Deserialize;

use super::problem::{Problem, Reply};
use crate::registry::{JobRegistry, Retried, RetriedRuns, Retry};

/// The most users that a request may name.
const MOST_TENANTS: usize = 1_000;

/// Which users are requeued: all who failed, if the body is empty or an empty object.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RetryBody {
    /// These users only, each of whom must have failed.
    tenants: Vec<TenantId>,
    /// Only those with this reason.
    reason: Option<FailedReason>,
    /// Only those whose last error has this in it.
    error: Option<String>,
    /// Of a job's runs: only of occurrences at this instant or later.
    since: Option<Timestamp>,
    /// Whether handlers see other keys than before.
    new_key: bool,
}

/// `POST /runs/{id}/retry` requeues users of one run, and returns how many.
pub(super) async fn of_run(
    State(registry): State<JobRegistry>,
    id: Result<Path<RunId>, PathRejection>,
    body: Result<String, StringRejection>,
) -> Reply<Retried> {
    let Path(id) = id?;
    let body = RetryBody::parse(&body?)?;
    if body.since.is_some() {
        let detail = "since: a run is of one instant; POST /api/v1/jobs/{job}/retry takes it";
        return Err(wrong_body(detail));
    }
    retry(&registry, RetriedRuns::One(id), body).await
}

/// `POST /jobs/{job}/retry` requeues users of all runs of a job, and returns how many.
pub(super) async fn of_job(
    State(registry): State<JobRegistry>,
    job: Result<Path<JobId>, PathRejection>,
    body: Result<String, StringRejection>,
) -> Reply<Retried> {
    let Path(job) = job?;
    let body = RetryBody::parse(&body?)?;
    retry(&registry, RetriedRuns::OfJob { job, since: body.since }, body).await
}

impl RetryBody {
    fn parse(text: &str) -> Result<Self, Problem> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let body: Self =
            serde_json::from_str(text).map_err(|error| wrong_body(error.to_string()))?;
        let named = body.tenants.len();
        if named > MOST_TENANTS {
            let detail = format!("tenants: at most {MOST_TENANTS} are named at once, got {named}");
            return Err(wrong_body(detail));
        }
        Ok(body)
    }
}

async fn retry(registry: &JobRegistry, runs: RetriedRuns, body: RetryBody) -> Reply<Retried> {
    let RetryBody { tenants, reason, error, since: _of_the_runs, new_key } = body;
    Ok(Json(registry.retry(&Retry { runs, tenants, reason, error, new_key }).await?))
}

fn wrong_body(detail: impl Into<String>) -> Problem {
    Problem::unprocessable("The body is wrong", detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_body_and_an_empty_object_mean_everybody_who_failed() {
        for text in ["", " \n", "{}"] {
            let body = RetryBody::parse(text).expect("a body");
            assert!(body.tenants.is_empty() && body.reason.is_none() && body.error.is_none());
            assert!(body.since.is_none() && !body.new_key);
        }
    }

    #[test]
    fn a_wrong_body_is_refused_and_the_problem_names_the_field() {
        let too_many = json!({"tenants": vec!["u"; MOST_TENANTS + 1]}).to_string();
        for (text, field) in [
            (too_many.as_str(), "tenants"),
            (r#"{"reason": "bored"}"#, "bored"),
            (r#"{"tenant": "u"}"#, "tenant"),
        ] {
            let problem = RetryBody::parse(text).err().expect("refused");
            assert!(format!("{problem:?}").contains(field), "{problem:?}");
        }
    }
}
