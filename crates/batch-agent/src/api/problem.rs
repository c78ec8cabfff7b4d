//! Errors as problem+json (RFC 9457). The only place that names status codes.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::StatusCode;
use problem_details::ProblemDetails;

use crate::ledger::{LedgerError, RunId};
use crate::source::SourceError;

fn problem(status: StatusCode, title: &str, detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::from_status_code(status).with_title(title).with_detail(detail)
}

pub(super) fn unauthorized() -> ProblemDetails {
    problem(StatusCode::UNAUTHORIZED, "A key is needed", "send a known key as `Authorization: Bearer …`")
}

pub(super) fn keys_unavailable(error: &SourceError) -> ProblemDetails {
    tracing::warn!(error = error as &dyn std::error::Error, "a key cannot be checked");
    problem(StatusCode::SERVICE_UNAVAILABLE, "Keys cannot be checked now", "the Config Database does not answer; try again")
}

pub(super) fn no_such_run(id: RunId) -> ProblemDetails {
    problem(StatusCode::NOT_FOUND, "No such run", format!("there is no run {id}; GET /api/v1/runs lists them"))
}

pub(super) fn bad_query(rejection: &QueryRejection) -> ProblemDetails {
    problem(StatusCode::UNPROCESSABLE_ENTITY, "A query parameter is wrong", rejection.body_text())
}

pub(super) fn bad_path(rejection: &PathRejection) -> ProblemDetails {
    problem(StatusCode::UNPROCESSABLE_ENTITY, "The path is wrong", rejection.body_text())
}

pub(super) fn of_ledger(error: &LedgerError) -> ProblemDetails {
    if let LedgerError::Cursor(_) = error {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "A query parameter is wrong", error.to_string());
    }
    tracing::error!(error = error as &dyn std::error::Error, "the ledger cannot be read");
    problem(StatusCode::SERVICE_UNAVAILABLE, "The ledger cannot be read now", "the log says why; try again")
}
