//! Errors as problem+json (RFC 9457). The only place that names status codes.

use std::error::Error;

use axum::extract::rejection::{PathRejection, QueryRejection, StringRejection};
use axum::http::StatusCode;
use problem_details::ProblemDetails;

use crate::registry::RegistryError;
use crate::source::SourceError;
use cohort_ledger::{LedgerError, RunId};

fn problem(status: StatusCode, title: &str, detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::from_status_code(status).with_title(title).with_detail(detail)
}

pub(super) fn unauthorized() -> ProblemDetails {
    problem(
        StatusCode::UNAUTHORIZED,
        "A key is needed",
        "send a known key as `Authorization: Bearer …`",
    )
}

pub(super) fn forbidden(who: &str) -> ProblemDetails {
    problem(
        StatusCode::FORBIDDEN,
        "The key may not do this",
        format!("the key {who:?} lacks the scope \"admin\", which acts on jobs need"),
    )
}

pub(super) fn keys_unavailable(error: &SourceError) -> ProblemDetails {
    tracing::warn!(error = error as &dyn std::error::Error, "a key cannot be checked");
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "Keys cannot be checked now",
        "the Config Database does not answer; try again",
    )
}

pub(super) fn of_source(error: &SourceError) -> ProblemDetails {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "what users have stated cannot be read"
    );
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "Preferences cannot be read now",
        "the Config Database does not answer; try again",
    )
}

pub(super) fn no_config_database() -> ProblemDetails {
    let detail = "nobody here can ask the Config Database what users have stated";
    problem(StatusCode::SERVICE_UNAVAILABLE, "No Config Database", detail)
}

pub(super) fn metrics_too_long() -> ProblemDetails {
    problem(StatusCode::SERVICE_UNAVAILABLE, "Metrics cannot be told", "they are too long")
}

pub(super) fn not_ready(reason: &str) -> ProblemDetails {
    problem(StatusCode::SERVICE_UNAVAILABLE, "The agent is not ready", reason)
}

pub(super) fn no_such_run(id: RunId) -> ProblemDetails {
    problem(
        StatusCode::NOT_FOUND,
        "No such run",
        format!("there is no run {id}; GET /api/v1/runs lists them"),
    )
}

pub(super) fn bad_query(rejection: &QueryRejection) -> ProblemDetails {
    problem(StatusCode::UNPROCESSABLE_ENTITY, "A query parameter is wrong", rejection.body_text())
}

pub(super) fn bad_path(rejection: &PathRejection) -> ProblemDetails {
    problem(StatusCode::UNPROCESSABLE_ENTITY, "The path is wrong", rejection.body_text())
}

pub(super) fn bad_body(rejection: &StringRejection) -> ProblemDetails {
    problem(rejection.status(), "The body cannot be read", rejection.body_text())
}

pub(super) fn wrong_body(detail: impl Into<String>) -> ProblemDetails {
    problem(StatusCode::UNPROCESSABLE_ENTITY, "The body is wrong", detail)
}

pub(super) fn bad_wait(longest: u64) -> ProblemDetails {
    problem(
        StatusCode::UNPROCESSABLE_ENTITY,
        "A query parameter is wrong",
        format!("wait: expected 0 to {longest} seconds"),
    )
}

pub(super) fn bad_cursor() -> ProblemDetails {
    problem(
        StatusCode::UNPROCESSABLE_ENTITY,
        "A query parameter is wrong",
        "cursor: expected one that an earlier page gave",
    )
}

pub(super) fn of_registry(error: &RegistryError) -> ProblemDetails {
    let detail = in_full(error);
    match error {
        RegistryError::Ledger(error) => of_ledger(error),
        RegistryError::Config(_) | RegistryError::Unserved(_) => {
            problem(StatusCode::UNPROCESSABLE_ENTITY, "The batch config cannot be used", detail)
        }
        RegistryError::NoSuchJob(_) => problem(
            StatusCode::NOT_FOUND,
            "No such job",
            format!("{detail}; GET /api/v1/jobs lists them"),
        ),
        RegistryError::NotFailed(_) => {
            problem(StatusCode::CONFLICT, "Only who failed can be tried again", detail)
        }
        RegistryError::ReadOnly(_) => {
            problem(StatusCode::CONFLICT, "Nothing can be changed here", detail)
        }
        RegistryError::NoAgent => problem(StatusCode::SERVICE_UNAVAILABLE, "No agent runs", detail),
        RegistryError::Contended => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "Others are faster", detail)
        }
    }
}

pub(super) fn of_ledger(error: &LedgerError) -> ProblemDetails {
    match error {
        LedgerError::Cursor(_) => problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "A query parameter is wrong",
            error.to_string(),
        ),
        LedgerError::CursorGone => {
            problem(StatusCode::GONE, "The cursor is gone", error.to_string())
        }
        LedgerError::NoSuchRun(run) => no_such_run(*run),
        LedgerError::RunEnded { .. } => {
            problem(StatusCode::CONFLICT, "The run has ended", error.to_string())
        }
        LedgerError::RunIsBeingCanceled(_) => {
            problem(StatusCode::CONFLICT, "The run is being canceled", error.to_string())
        }
        _ => {
            tracing::error!(error = error as &dyn std::error::Error, "the ledger cannot be read");
            problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "The ledger cannot be read now",
                "the log says why; try again",
            )
        }
    }
}

/// An error with its causes in one text, for those who read no chain.
fn in_full(error: &RegistryError) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let causes = causes.map(ToString::to_string);
    std::iter::once(error.to_string()).chain(causes).collect::<Vec<_>>().join(": ")
}
