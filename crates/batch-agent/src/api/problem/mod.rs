//! Problems as problem+json (RFC 9457). The only place that names status codes: a route words its
//! own problems, and says here of which kind they are.

mod causes;

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection, StringRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use problem_details::ProblemDetails;
use serde::Serialize;
use serde_json::Value;

/// Why a request is refused, or cannot be served.
#[derive(Debug)]
pub(super) struct Problem {
    details: Box<ProblemDetails<Extension>>,
    /// When to ask again, if that may help.
    retry_after: Option<Duration>,
}

/// What a problem tells besides what RFC 9457 names.
#[derive(Debug, Default, Serialize)]
struct Extension {
    /// What is wrong, part by part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<Value>,
}

/// When to ask again after what may pass by itself.
const LATER: Duration = Duration::from_secs(5);

/// What a route returns.
pub(super) type Reply<T> = Result<Json<T>, Problem>;

impl Problem {
    /// No key, or one that nobody knows.
    pub(super) fn unauthorized(title: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, title, detail)
    }

    /// A key that may not do this.
    pub(super) fn forbidden(title: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, title, detail)
    }

    /// There is no such thing.
    pub(super) fn not_found(title: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, title, detail)
    }

    /// What is on record does not allow it.
    pub(super) fn conflict(title: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, title, detail)
    }

    /// There was such a thing, and it is kept no longer.
    pub(super) fn gone(title: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, title, detail)
    }

    /// What was asked makes no sense.
    pub(super) fn unprocessable(title: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, title, detail)
    }

    /// A query parameter makes no sense; the detail begins with its name.
    pub(super) fn wrong_query(detail: impl Into<String>) -> Self {
        Self::unprocessable("A query parameter is wrong", detail)
    }

    /// It cannot be served now, and may be later.
    pub(super) fn unavailable(title: &str, detail: impl Into<String>) -> Self {
        Self::unavailable_for(LATER, title, detail)
    }

    /// It cannot be served now, and may be after so long.
    pub(super) fn unavailable_for(
        retry_after: Duration,
        title: &str,
        detail: impl Into<String>,
    ) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, title, detail);
        Self { retry_after: Some(retry_after), ..problem }
    }

    /// A defect, of this program or of what it has stored.
    pub(super) fn defect(title: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, title, detail)
    }

    fn new(status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        let problem = ProblemDetails::from_status_code(status).with_title(title);
        let problem = problem.with_detail(detail).with_extensions(Extension::default());
        Self { details: Box::new(problem), retry_after: None }
    }

    /// The same problem, with what is wrong part by part.
    pub(super) fn with_causes(mut self, causes: Vec<Value>) -> Self {
        self.details.extensions.causes = causes;
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (*self.details).into_response();
        if let Some(retry_after) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after.as_secs().into());
        }
        response
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::wrong_query(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::unprocessable("The path is wrong", rejection.body_text())
    }
}

impl From<StringRejection> for Problem {
    fn from(rejection: StringRejection) -> Self {
        Self::new(rejection.status(), "The body cannot be read", rejection.body_text())
    }
}
