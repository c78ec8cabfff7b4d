//! Every error as problem+json (RFC 9457): the only place that knows status codes of errors.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{
    BytesRejection, PathRejection, QueryRejection, RawPathParamsRejection,
};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use cohort_database::{DatabaseError, FaultCause};
use cohort_preferences::{FieldError, Invalid};
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::ConfigServiceError;

/// Why a request is not answered as asked.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The service said no.
    Service(ConfigServiceError),
    /// The body is no JSON; line and column are in the text.
    Syntax(serde_json::Error),
    /// The body could not be read.
    Body(BytesRejection),
    /// The body is of a kind that this route does not read.
    MediaType(&'static str),
    /// A header cannot be read.
    Header(&'static str),
    /// The path cannot be read.
    Path(PathRejection),
    /// The path cannot be read even as text.
    RawPath(RawPathParamsRejection),
    /// The query cannot be read.
    Query(QueryRejection),
    /// It took too long (F6).
    TooSlow {
        /// How long.
        waited: Duration,
        /// Whether it may have stored something.
        may_write: bool,
    },
}

/// When to ask again after a fault of the database that takes a while to pass.
const AFTER_FAULT: Duration = Duration::from_secs(5);

/// When to ask again where only another transaction was in the way, or this process ends.
const SOON: Duration = Duration::from_secs(1);

/// What is said of a write whose answer was lost.
const UNKNOWN: &str = "it is not known whether this was stored: read it, or send it again";

/// RFC 9457's object, with W1's list of fields.
#[derive(Debug, Serialize)]
struct Problem {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// What is wrong, part by part, where the service is not ready (F12).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<Value>,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            causes: Vec::new(),
        }
    }

    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }

    fn with_header(self, name: header::HeaderName, value: impl Into<HeaderValue>) -> Response {
        let mut response = self.into_response();
        response.headers_mut().insert(name, value.into());
        response
    }
}

impl From<ConfigServiceError> for ApiError {
    fn from(error: ConfigServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Self::Service(invalid.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Service(error) => service_error(&error),
            Self::Syntax(error) => {
                Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
                    .into_response()
            }
            Self::Body(rejection) => {
                Problem::new(rejection.status(), rejection.body_text()).into_response()
            }
            Self::MediaType(expected) => {
                let detail = format!("expected a body of type {expected}");
                Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response()
            }
            Self::Header(detail) => Problem::new(StatusCode::BAD_REQUEST, detail).into_response(),
            Self::Path(rejection) => {
                Problem::new(rejection.status(), rejection.body_text()).into_response()
            }
            Self::RawPath(rejection) => {
                Problem::new(rejection.status(), rejection.body_text()).into_response()
            }
            Self::Query(rejection) => {
                Problem::new(rejection.status(), rejection.body_text()).into_response()
            }
            Self::TooSlow { waited, may_write } => {
                let seconds = waited.as_secs();
                let end = if may_write { UNKNOWN } else { "ask again" };
                let detail = format!("this took longer than {seconds} s, and was ended; {end}");
                not_now(detail, AFTER_FAULT)
            }
        }
    }
}

fn service_error(error: &ConfigServiceError) -> Response {
    use ConfigServiceError as E;
    let detail = error.to_string();
    match error {
        E::NotFound(_) => Problem::new(StatusCode::NOT_FOUND, detail).into_response(),
        E::PreconditionFailed(_) => {
            Problem::new(StatusCode::PRECONDITION_FAILED, detail).into_response()
        }
        E::Invalid(Invalid(errors)) => {
            let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
            problem.errors.clone_from(errors);
            problem.into_response()
        }
        E::Parameter(_) => Problem::new(StatusCode::BAD_REQUEST, detail).into_response(),
        E::CursorGone => Problem::new(StatusCode::GONE, detail).into_response(),
        E::NotSettled { retry_after } => not_now(detail, *retry_after),
        E::TooManyRequests { retry_after } => Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
            .with_header(header::RETRY_AFTER, retry_after.as_secs()),
        E::ReadOnly(_) | E::Conflict(_) => {
            Problem::new(StatusCode::CONFLICT, detail).into_response()
        }
        E::Unauthorized => Problem::new(StatusCode::UNAUTHORIZED, detail)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        E::Forbidden { .. } => Problem::new(StatusCode::FORBIDDEN, detail).into_response(),
        E::NotReady(cause) => {
            let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
            problem.causes = vec![json!({"part": "preferences", "cause": cause})];
            problem.with_header(header::RETRY_AFTER, 2)
        }
        E::ShuttingDown => not_now(detail, SOON),
        E::Database(error) if error.is_transient() => {
            tracing::warn!(error = error as &dyn std::error::Error, "a request has to wait");
            database_away(error)
        }
        E::Database(_) | E::Unreadable(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "a request failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
        }
    }
}

fn database_away(error: &DatabaseError) -> Response {
    not_now(in_words(error), retry_after(error.cause()))
}

/// Says why the database does not do it now, and what became of what was asked.
fn in_words(error: &DatabaseError) -> String {
    let end = if error.is_outcome_unknown() { UNKNOWN } else { "nothing was stored; ask again" };
    format!("{}; {end}", error.cause())
}

fn retry_after(cause: FaultCause) -> Duration {
    match cause {
        FaultCause::Conflict | FaultCause::Locked | FaultCause::AllConnectionsInUse => SOON,
        _ => AFTER_FAULT,
    }
}

fn not_now(detail: impl Into<String>, retry_after: Duration) -> Response {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        .with_header(header::RETRY_AFTER, retry_after.as_secs())
}

/// Returns the answer where no route is: a fallback for the outermost router.
pub async fn unknown_route(method: Method, uri: Uri) -> Response {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no route {method} {}", uri.path()))
        .into_response()
}

/// Returns the answer where the route does not know the method.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let detail = format!("{} does not answer {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cohort_database::testing::refused_with;

    use super::*;

    fn answer(error: impl Into<ConfigServiceError>) -> (u16, Option<u64>) {
        let response = ApiError::from(error.into()).into_response();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let seconds = retry_after.map(|value| value.to_str().expect("text").parse().expect("s"));
        (response.status().as_u16(), seconds)
    }

    #[test]
    fn a_fault_of_the_database_that_may_pass_is_503_with_retry_after_and_a_defect_500() {
        for (state, retry_after) in [
            ("53300", 5),
            ("53100", 5),
            ("53200", 5),
            ("57P01", 5),
            ("57P02", 5),
            ("57P03", 5),
            ("57014", 5),
            ("25006", 5),
            ("08006", 5),
            ("55P03", 1),
            ("40001", 1),
            ("40P01", 1),
        ] {
            let error = refused_with(state);
            assert_eq!(answer(error), (503, Some(retry_after)), "{state}");
            let together = DatabaseError::Together(Arc::new(refused_with(state)));
            assert_eq!(answer(together), (503, Some(retry_after)), "{state} with others");
        }
        for state in ["42P01", "23505", "XX001", "22P02"] {
            assert_eq!(answer(refused_with(state)), (500, None), "{state}");
        }
        for (code, status) in [(13, 503), (10, 503), (5, 503), (6, 503), (8, 503), (11, 500)] {
            let error = rusqlite::ffi::Error::new(code);
            let error = rusqlite::Error::SqliteFailure(error, None);
            assert_eq!(answer(error).0, status, "SQLite {code}");
        }
        assert_eq!(answer(ConfigServiceError::ShuttingDown), (503, Some(1)));
    }

    #[test]
    fn a_write_whose_answer_was_lost_is_told_so_and_another_that_nothing_was_stored() {
        let silent = || DatabaseError::NoAnswer {
            database: "h:1/d".into(),
            waited: Duration::from_secs(10),
        };
        let detail = in_words(&silent());
        assert_eq!(detail, "the database does not answer; nothing was stored; ask again");
        let unknown = DatabaseError::Unknown(Box::new(silent()));
        let together = DatabaseError::Together(Arc::new(unknown));
        assert_eq!(in_words(&together), format!("the database does not answer; {UNKNOWN}"));
    }
}
