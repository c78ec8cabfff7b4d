//! What came back for a request: read to its end within bounds, and what each status code means.

use std::sync::Arc;

use reqwest::header::{CONTENT_TYPE, ETAG, HeaderName};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::error::ClientError;
use crate::problem::Problem;
use crate::request::Request;
use crate::retry_after::retry_after;

/// The most bytes of a response that is read at once: several times the longest list of groups that
/// the service sends.
const LONGEST_BODY: usize = 512 * 1024 * 1024;

/// The most bytes of an error response that are read.
const LONGEST_PROBLEM: usize = 1024 * 1024;

/// A response with a 2xx status, or 304, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    request: String,
    pub(crate) etag: Option<String>,
    /// Whether what the request's `If-None-Match` names is still so; then there is no body.
    pub(crate) is_not_modified: bool,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn read_from(
        request: &Request,
        response: Response,
    ) -> Result<Self, ClientError> {
        let etag = header_text(&response, ETAG);
        let is_not_modified = response.status() == StatusCode::NOT_MODIFIED;
        let body = read_to_end(request, response, LONGEST_BODY).await?;
        Ok(Self { request: request.name(), etag, is_not_modified, body })
    }

    /// The body as what was asked for.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| self.garbage(format!("the answer is not what was asked for: {error}")))
    }

    pub(crate) fn garbage(&self, what: String) -> ClientError {
        ClientError::Garbage { request: self.request.clone(), what }
    }
}

/// What a response means that is neither 2xx nor 304.
pub(crate) async fn refusal(request: &Request, has_key: bool, response: Response) -> ClientError {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let is_json = header_text(&response, CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
    // A body that breaks off explains nothing; the status code stands.
    let body = read_to_end(request, response, LONGEST_PROBLEM).await.unwrap_or_default();
    let problem = if is_json { Problem::from_json(status, &body) } else { None };
    let request = request.name();
    match (status, problem) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, problem) => {
            ClientError::Denied { request, status, detail: denial(status, has_key, problem) }
        }
        (StatusCode::GONE, _) => ClientError::Gone { request },
        (status, problem) if may_pass(status) => {
            let problem = problem.unwrap_or_else(|| Problem::bare(status));
            ClientError::Unavailable { request, problem, retry_after }
        }
        (_, Some(problem)) => ClientError::Refused { request, problem },
        (status, None) => ClientError::Garbage {
            request,
            what: format!("the answer is {status} without an explanation (no problem+json)"),
        },
    }
}

fn may_pass(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

fn denial(status: StatusCode, has_key: bool, problem: Option<Problem>) -> String {
    if status == StatusCode::UNAUTHORIZED && !has_key {
        return "a key is needed and none was sent".into();
    }
    problem.map_or_else(|| "the key was refused".into(), |problem| problem.detail)
}

/// The error of a request that got no response, or only a part of one.
pub(crate) fn unreachable(request: &Request, source: reqwest::Error) -> ClientError {
    // The address may hold names of tenants and stands in the request already.
    ClientError::Unreachable { request: request.name(), source: Arc::new(source.without_url()) }
}

/// The body, if it is no longer than `limit` bytes.
async fn read_to_end(
    request: &Request,
    mut response: Response,
    limit: usize,
) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|source| unreachable(request, source))? {
        if body.len() + piece.len() > limit {
            return Err(ClientError::Garbage {
                request: request.name(),
                what: format!("the answer is longer than {limit} bytes"),
            });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

pub(crate) fn header_text(response: &Response, name: HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}
