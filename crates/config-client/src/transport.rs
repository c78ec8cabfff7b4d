//! One request, one answer: addresses, keys, limits of time and size, and what each status code
//! means.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, RETRY_AFTER,
};
use reqwest::{Body, Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ClientError, Problem};
use crate::key::ApiKey;
use crate::resilience::{Breaker, with_retries};

/// The most bytes of an answer that is read at once: several times the longest list of groups that
/// the service gives.
const LONGEST_ANSWER: usize = 512 * 1024 * 1024;

/// The most bytes of an error answer that are read.
const LONGEST_PROBLEM: usize = 1024 * 1024;

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The connections to one Config Database. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    base_url: Url,
    key: Option<ApiKey>,
    request_timeout: Duration,
    breaker: Breaker,
}

/// How long the transport waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For a connection.
    pub(crate) connect: Duration,
    /// From then to the end of an answer, or to the beginning of a streamed one.
    pub(crate) request: Duration,
    /// Until something is tried again, the first time that too much has failed.
    pub(crate) breaker: Duration,
}

/// A request that can be sent more than once.
#[derive(Debug)]
pub(crate) struct Request {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Vec<u8>>,
    /// `None`: as the client's patience says.
    timeout: Option<Duration>,
    key: Option<ApiKey>,
}

/// An answer with a 2xx status, or 304, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    act: String,
    pub(crate) etag: Option<String>,
    /// Whether what the request's `If-None-Match` names is still so; then there is no body.
    pub(crate) is_not_modified: bool,
    pub(crate) body: Vec<u8>,
}

impl Transport {
    pub(crate) fn new(
        base_url: Url,
        key: Option<ApiKey>,
        patience: Patience,
    ) -> Result<Self, ClientError> {
        // The first who installs a provider wins; whichever it is, it serves.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut http = reqwest::Client::builder()
            .connect_timeout(patience.connect)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("cohort-config-client/", env!("CARGO_PKG_VERSION")));
        if base_url.scheme() == "http" {
            // Without TLS no certificates are needed, and a container without any must not fail for
            // it.
            http = http.tls_certs_only([]);
        }
        let http =
            http.build().map_err(|source| ClientError::Setup { source: Arc::new(source) })?;
        Ok(Self {
            http,
            base_url,
            key,
            request_timeout: patience.request,
            breaker: Breaker::new(patience.breaker),
        })
    }

    pub(crate) fn base_url(&self) -> &Url {
        &self.base_url
    }

    /// Sends the request once.
    pub(crate) async fn once(&self, request: &Request) -> Result<Answer, ClientError> {
        self.breaker.guard(&request.act(), self.ask(request)).await
    }

    /// Sends the request until it succeeds or three attempts are used up.
    pub(crate) async fn retried(&self, request: &Request) -> Result<Answer, ClientError> {
        with_retries(|| self.once(request)).await
    }

    /// Sends the request once with this body, and gives the answer once its head is there; the rest
    /// has no limit of time.
    pub(crate) async fn stream(
        &self,
        request: &Request,
        body: Option<Body>,
    ) -> Result<Response, ClientError> {
        self.breaker.guard(&request.act(), self.send(request, body, None)).await
    }

    async fn ask(&self, request: &Request) -> Result<Answer, ClientError> {
        let body = request.body.clone().map(Body::from);
        let timeout = request.timeout.unwrap_or(self.request_timeout);
        let response = self.send(request, body, Some(timeout)).await?;
        let act = request.act();
        let etag = header_text(&response, ETAG);
        let is_not_modified = response.status() == StatusCode::NOT_MODIFIED;
        let body = read_to_end(&act, response, LONGEST_ANSWER).await?;
        Ok(Answer { act, etag, is_not_modified, body })
    }

    /// Gives the answer once its head is there and says 2xx, or 304.
    async fn send(
        &self,
        request: &Request,
        body: Option<Body>,
        timeout: Option<Duration>,
    ) -> Result<Response, ClientError> {
        let act = request.act();
        let mut call = self.http.request(request.method.clone(), self.url(request));
        if let Some(timeout) = timeout {
            call = call.timeout(timeout);
        }
        if let Some(key) = request.key.as_ref().or(self.key.as_ref()) {
            call = call.header(AUTHORIZATION, key.header());
        }
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        if let Some(body) = body {
            call = call.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response = call.send().await.map_err(|source| unreachable(&act, source))?;
        if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        Err(self.refusal(act, request, response).await)
    }

    fn url(&self, request: &Request) -> Url {
        let mut url = self.base_url.clone();
        url.set_path(&format!("{}{}", self.base_url.path().trim_end_matches('/'), request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        url
    }

    /// What an answer that is not 2xx means.
    async fn refusal(&self, act: String, request: &Request, response: Response) -> ClientError {
        let status = response.status();
        let retry_after = header_text(&response, RETRY_AFTER)
            .and_then(|seconds| seconds.trim().parse().ok().map(Duration::from_secs));
        let is_json =
            header_text(&response, CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
        // A body that breaks off explains nothing; the status code stands.
        let body = read_to_end(&act, response, LONGEST_PROBLEM).await.unwrap_or_default();
        let problem = if is_json { Problem::from_json(status, &body) } else { None };
        let has_key = request.key.is_some() || self.key.is_some();
        meaning(act, status, problem, retry_after, has_key)
    }
}

fn meaning(
    act: String,
    status: StatusCode,
    problem: Option<Problem>,
    retry_after: Option<Duration>,
    has_key: bool,
) -> ClientError {
    match (status, problem) {
        (StatusCode::UNAUTHORIZED, _) if !has_key => {
            ClientError::Denied { act, status, detail: "a key is needed and none was sent".into() }
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, problem) => ClientError::Denied {
            act,
            status,
            detail: problem.map_or_else(|| "the key was refused".into(), |problem| problem.detail),
        },
        (StatusCode::GONE, _) => ClientError::Gone { act },
        (status, problem)
            if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() =>
        {
            ClientError::Unavailable {
                act,
                problem: problem.unwrap_or_else(|| Problem::bare(status)),
                retry_after,
            }
        }
        (_, Some(problem)) => ClientError::Refused { act, problem },
        (status, None) => ClientError::Garbage {
            act,
            what: format!("the answer is {status} without an explanation (no problem+json)"),
        },
    }
}

fn unreachable(act: &str, source: reqwest::Error) -> ClientError {
    ClientError::Unreachable { act: act.to_owned(), source: Arc::new(source.without_url()) }
}

/// The body, if it is no longer than `limit` bytes.
async fn read_to_end(
    act: &str,
    mut response: Response,
    limit: usize,
) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|source| unreachable(act, source))? {
        if body.len() + piece.len() > limit {
            return Err(ClientError::Garbage {
                act: act.to_owned(),
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

impl Request {
    /// A request to a path below the base, whose segments are already encoded by [`segment`].
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            timeout: None,
            key: None,
        }
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        self.body = Some(
            serde_json::to_vec(body)
                .expect("requests are made of texts, numbers, lists and objects with text keys"),
        );
        self
    }

    /// Asks for the answer only if it is another than this one; an `ETag` that no header can hold
    /// is not sent.
    pub(crate) fn if_none_match(self, etag: Option<&str>) -> Self {
        self.header(IF_NONE_MATCH, etag)
    }

    /// Asks for server-sent events behind the one of this id.
    pub(crate) fn events(self, last_event_id: Option<&str>) -> Self {
        self.header(ACCEPT, Some("text/event-stream"))
            .header(HeaderName::from_static("last-event-id"), last_event_id)
    }

    fn header(mut self, name: HeaderName, value: Option<&str>) -> Self {
        self.headers.extend(
            value.and_then(|value| HeaderValue::from_str(value).ok()).map(|value| (name, value)),
        );
        self
    }

    /// The most time from the connection to the end of the answer, in place of the client's.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Presents this key in place of the client's.
    pub(crate) fn presenting(mut self, key: ApiKey) -> Self {
        self.key = Some(key);
        self
    }

    /// The request in an error's words.
    pub(crate) fn act(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Answer {
    /// The body as what was asked for.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| self.garbage(format!("the answer is not what was asked for: {error}")))
    }

    pub(crate) fn garbage(&self, what: String) -> ClientError {
        ClientError::Garbage { act: self.act.clone(), what }
    }
}

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, SEGMENT)
}
