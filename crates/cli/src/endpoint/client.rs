//! A service that answers, in another process or in this one.

use anyhow::Context;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, Response, StatusCode};
use futures_util::Stream;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncBufRead, Lines};
use tower::ServiceExt;

use super::request::{bearer, request};
use super::response::{lines_of, read_json, read_whole, refusal};
use crate::lifecycle::DataDir;
use crate::services::BASE;
use crate::serving::HttpServer;

/// The media type of most bodies.
const JSON: &str = "application/json";

/// A service that answers.
pub(crate) enum Endpoint {
    /// Another process.
    Http {
        http: reqwest::Client,
        /// Without a slash at its end.
        base: String,
        key: Option<HeaderValue>,
    },
    /// This process, on the files of a data folder.
    InProcess {
        router: Router,
        key: HeaderValue,
        /// Held to change something.
        _held: Option<DataDir>,
        /// The Config Database, for what speaks HTTP to it.
        _serving: Option<HttpServer>,
    },
}

impl Endpoint {
    /// Returns the service at this address.
    pub(crate) fn http(url: &str, key: Option<&str>) -> anyhow::Result<Self> {
        // The first who installs a provider wins; whichever it is, it serves.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        if url.starts_with("http://") {
            // Without TLS no certificates are needed, and a container without any must not fail for
            // it.
            http = http.tls_certs_only([]);
        }
        Ok(Self::Http {
            http: http.build().context("cannot make the HTTP client ready")?,
            base: url.trim_end_matches('/').to_owned(),
            key: key.map(bearer).transpose()?,
        })
    }

    /// Returns the answer to a GET. `path` begins below `/api/v1` and is already encoded.
    pub(crate) async fn get_json<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let response = self.send(Method::GET, path, JSON, Body::empty()).await?;
        read_json(&format!("GET {path}"), response).await
    }

    /// Returns the answer to a GET; `None` if there is no such thing, or there is no longer.
    pub(crate) async fn find_json<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> anyhow::Result<Option<T>> {
        let request = format!("GET {path}");
        let response = self.ask(Method::GET, path, JSON, Body::empty()).await?;
        match response.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            status if status.is_success() => read_json(&request, response).await.map(Some),
            _ => Err(refusal(&request, response).await),
        }
    }

    /// Returns what keeps the service from its work, as it says itself without a key; `None` if it
    /// says nothing of it.
    pub(crate) async fn causes(&self) -> Option<Vec<Value>> {
        let Self::Http { http, base, .. } = self else { return None };
        let url = format!("{}/readyz", base.strip_suffix(BASE)?);
        let answer = http.get(url).send().await.ok()?;
        let answer: Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        answer["causes"].as_array().cloned()
    }

    /// Returns the answer to a request with a body of JSON.
    pub(crate) async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<T> {
        let request = format!("{method} {path}");
        let response = self.send(method, path, JSON, Body::from(body.to_string())).await?;
        read_json(&request, response).await
    }

    /// Returns the answer to a DELETE; null if it has no body.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        let response = self.send(Method::DELETE, path, JSON, Body::empty()).await?;
        let body = read_whole(&format!("DELETE {path}"), response).await?;
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Returns the lines of the answer to a GET, as they come.
    pub(crate) async fn get_lines(
        &self,
        path: &str,
    ) -> anyhow::Result<Lines<impl AsyncBufRead + Unpin + use<>>> {
        Ok(lines_of(self.send(Method::GET, path, JSON, Body::empty()).await?))
    }

    /// Posts what `lines` gives, and returns the lines of the answer while it is still posting.
    pub(crate) async fn post_lines<S, E>(
        &self,
        path: &str,
        media_type: &'static str,
        lines: S,
    ) -> anyhow::Result<Lines<impl AsyncBufRead + Unpin + use<S, E>>>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        Ok(lines_of(self.send(Method::POST, path, media_type, Body::from_stream(lines)).await?))
    }

    /// Returns the head of a 2xx answer; another answer is the error that it describes.
    async fn send(
        &self,
        method: Method,
        path: &str,
        media_type: &'static str,
        body: Body,
    ) -> anyhow::Result<Response<Body>> {
        let request = format!("{method} {path}");
        let response = self.ask(method, path, media_type, body).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(&request, response).await)
    }

    /// Returns the head of an answer, whatever it says.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        media_type: &'static str,
        body: Body,
    ) -> anyhow::Result<Response<Body>> {
        match self {
            Self::Http { http, base, key } => {
                let uri = format!("{base}{path}");
                let request = request(method, uri, key.as_ref(), media_type, body)?;
                execute(http, base, request).await
            }
            Self::InProcess { router, key, .. } => {
                let uri = format!("{BASE}{path}");
                let request = request(method, uri, Some(key), media_type, body)?;
                Ok(router.clone().oneshot(request).await?)
            }
        }
    }
}

async fn execute(
    http: &reqwest::Client,
    base: &str,
    request: axum::http::Request<Body>,
) -> anyhow::Result<Response<Body>> {
    let request = request.map(|body| reqwest::Body::wrap_stream(body.into_data_stream()));
    let sent = http.execute(request.try_into().context("cannot make the request")?).await;
    let response = sent.map_err(reqwest::Error::without_url).with_context(|| {
        format!(
            "cannot reach the service at {base}: is it running? `cohort up --data DIR` starts one; \
             --url, COHORT_AGENT_URL or CONFIG_SERVICE_URL says where it is"
        )
    })?;
    Ok(Response::<reqwest::Body>::from(response).map(Body::new))
}
