//! One request, one answer: addresses, keys, time limits, and what each status code means.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, RETRY_AFTER};
use reqwest::{Body, Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ClientError, Problem};
use crate::key::ApiKey;
use crate::resilience::with_retries;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The connections to one Config Database. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    base_url: Url,
    key: Option<ApiKey>,
}

/// A request that can be sent more than once.
#[derive(Debug)]
pub(crate) struct Request {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    timeout: Duration,
    key: Option<ApiKey>,
}

/// An answer with a 2xx status, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    act: String,
    pub(crate) etag: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Transport {
    pub(crate) fn new(base_url: Url, key: Option<ApiKey>) -> Result<Self, ClientError> {
        // The first who installs a provider wins; whichever it is, it serves.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("cohort-config-client/", env!("CARGO_PKG_VERSION")));
        if base_url.scheme() == "http" {
            // Without TLS no certificates are needed, and a container without any must not fail for it.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|source| ClientError::Setup { source: Arc::new(source) })?;
        Ok(Self { http, base_url, key })
    }

    pub(crate) fn base_url(&self) -> &Url {
        &self.base_url
    }

    /// Sends the request once.
    pub(crate) async fn once(&self, request: &Request) -> Result<Answer, ClientError> {
        let body = request.body.clone().map(Body::from);
        let response = self.send(request, body).await?;
        let act = request.act();
        let etag = header_text(&response, ETAG);
        let body = response.bytes().await.map_err(|source| unreachable(&act, source))?.into();
        Ok(Answer { act, etag, body })
    }

    /// Sends the request until it succeeds or three attempts are used up.
    pub(crate) async fn retried(&self, request: &Request) -> Result<Answer, ClientError> {
        with_retries(|| self.once(request)).await
    }

    /// Sends the request with this body, and gives the answer once its head is there and says 2xx.
    pub(crate) async fn send(&self, request: &Request, body: Option<Body>) -> Result<Response, ClientError> {
        let act = request.act();
        let url = self.url(request);
        let mut call = self.http.request(request.method.clone(), url);
        if request.timeout > Duration::ZERO {
            call = call.timeout(request.timeout);
        }
        if let Some(key) = request.key.as_ref().or(self.key.as_ref()) {
            call = call.header(AUTHORIZATION, key.header());
        }
        if let Some(body) = body {
            call = call.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response = call.send().await.map_err(|source| unreachable(&act, source))?;
        if response.status().is_success() {
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
        let retry_after = header_text(&response, RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok().map(Duration::from_secs));
        let is_json = header_text(&response, CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
        // A body that breaks off explains nothing; the status code stands.
        let body = response.bytes().await.unwrap_or_default();
        let problem = if is_json { Problem::from_json(status, &body) } else { None };
        let has_key = request.key.is_some() || self.key.is_some();
        meaning(act, status, problem, retry_after, has_key)
    }
}

fn meaning(act: String, status: StatusCode, problem: Option<Problem>, retry_after: Option<Duration>, has_key: bool) -> ClientError {
    match (status, problem) {
        (StatusCode::UNAUTHORIZED, _) if !has_key => {
            ClientError::Denied { act, status, detail: "a key is needed and none was sent".into() }
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, problem) => {
            ClientError::Denied { act, status, detail: problem.map_or_else(|| "the key was refused".into(), |problem| problem.detail) }
        }
        (StatusCode::GONE, _) => ClientError::Gone { act },
        (status, problem) if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
            ClientError::Unavailable { act, problem: problem.unwrap_or_else(|| Problem::bare(status)), retry_after }
        }
        (_, Some(problem)) => ClientError::Refused { act, problem },
        (status, None) => ClientError::Garbage { act, what: format!("the answer is {status} without an explanation (no problem+json)") },
    }
}

fn unreachable(act: &str, source: reqwest::Error) -> ClientError {
    ClientError::Unreachable { act: act.to_owned(), source: Arc::new(source.without_url()) }
}

fn header_text(response: &Response, name: reqwest::header::HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

impl Request {
    /// A request to a path below the base, whose segments are already encoded by [`segment`].
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), body: None, timeout: REQUEST_TIMEOUT, key: None }
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_vec(body).expect("requests are made of texts, numbers, lists and objects with text keys"));
        self
    }

    /// The most time from the connection to the end of the answer; zero: no limit.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
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
        serde_json::from_slice(&self.body).map_err(|error| self.garbage(format!("the answer is not what was asked for: {error}")))
    }

    pub(crate) fn garbage(&self, what: String) -> ClientError {
        ClientError::Garbage { act: self.act.clone(), what }
    }
}

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, SEGMENT)
}
