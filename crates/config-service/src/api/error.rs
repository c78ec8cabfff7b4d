//! Every error as problem+json (RFC 9457): the only place that knows status codes of errors.

use axum::Json;
use axum::extract::rejection::{
    BytesRejection, PathRejection, QueryRejection, RawPathParamsRejection,
};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
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
}

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
        E::NotSettled { retry_after } => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with_header(header::RETRY_AFTER, retry_after.as_secs()),
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
        E::ShuttingDown => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response(),
        E::Database(_) | E::Unreadable(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "a request failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
        }
    }
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
