//! Sends requests: connections, keys, limits of time, attempts and spans.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Body, Response, StatusCode, Url};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::error::ClientError;
use crate::key::ApiKey;
use crate::request::Request;
use crate::resilience::{Breaker, with_retries};
use crate::response::{Answer, refusal, unreachable};

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
pub(crate) struct Timeouts {
    /// For a connection.
    pub(crate) connect: Duration,
    /// From then to the end of a response, or to the beginning of a streamed one.
    pub(crate) request: Duration,
    /// Until something is tried again, the first time that too much has failed.
    pub(crate) breaker: Duration,
}

impl Transport {
    pub(crate) fn new(
        base_url: Url,
        key: Option<ApiKey>,
        timeouts: Timeouts,
    ) -> Result<Self, ClientError> {
        // Another part of the process may have installed a provider already, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut http = reqwest::Client::builder()
            .connect_timeout(timeouts.connect)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("cohort-config-client/", env!("CARGO_PKG_VERSION")));
        if base_url.scheme() == "http" {
            // Without TLS no certificates are needed, and a container may have none.
            http = http.tls_certs_only([]);
        }
        let http =
            http.build().map_err(|source| ClientError::Setup { source: Arc::new(source) })?;
        Ok(Self {
            http,
            base_url,
            key,
            request_timeout: timeouts.request,
            breaker: Breaker::new(timeouts.breaker),
        })
    }

    pub(crate) fn base_url(&self) -> &Url {
        &self.base_url
    }

    /// Sends the request once.
    pub(crate) async fn once(&self, request: &Request) -> Result<Answer, ClientError> {
        self.attempt(request, 1).await
    }

    /// Sends the request until it succeeds or three attempts are used up.
    pub(crate) async fn retried(&self, request: &Request) -> Result<Answer, ClientError> {
        let mut attempts = 0;
        with_retries(|| {
            attempts += 1;
            self.attempt(request, attempts)
        })
        .await
    }

    async fn attempt(&self, request: &Request, attempt: u32) -> Result<Answer, ClientError> {
        let asked = self.breaker.guard(request, self.ask(request));
        asked.instrument(span(request, attempt)).await
    }

    /// Sends the request once with this body, and returns the response once its head is there. The
    /// rest has no limit of time.
    pub(crate) async fn stream(
        &self,
        request: &Request,
        body: Option<Body>,
    ) -> Result<Response, ClientError> {
        let sent = self.breaker.guard(request, self.send(request, body, None));
        sent.instrument(span(request, 1)).await
    }

    async fn ask(&self, request: &Request) -> Result<Answer, ClientError> {
        let body = request.body.clone().map(Body::from);
        let timeout = request.timeout.unwrap_or(self.request_timeout);
        let response = self.send(request, body, Some(timeout)).await?;
        Answer::read_from(request, response).await
    }

    /// Returns the response once its head is there and says 2xx, or 304.
    async fn send(
        &self,
        request: &Request,
        body: Option<Body>,
        timeout: Option<Duration>,
    ) -> Result<Response, ClientError> {
        let mut call = self.http.request(request.method.clone(), request.url(&self.base_url));
        if let Some(timeout) = timeout {
            call = call.timeout(timeout);
        }
        let key = request.key.as_ref().or(self.key.as_ref());
        if let Some(key) = key {
            call = call.header(AUTHORIZATION, key.header());
        }
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        if let Some(body) = body {
            call = call.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response = call.send().await.map_err(|source| unreachable(request, source))?;
        let status = response.status();
        Span::current().record("status", status.as_u16());
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        Err(refusal(request, key.is_some(), response).await)
    }
}

/// The span of one attempt. It names the route and not the path, which holds names of tenants.
fn span(request: &Request, attempt: u32) -> Span {
    let (method, route) = (&request.method, request.route);
    tracing::debug_span!("config_database_request", %method, route, attempt, status = Empty)
}
