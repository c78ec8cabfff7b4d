//! How a command that looks or acts reaches the service: over HTTP, or in this process on the files
//! of a data folder.
//!
//! ```text
//! --url, COHORT_AGENT_URL, CONFIG_SERVICE_URL ─────► HTTP, key from CONFIG_SERVICE_API_KEY
//! --data DIR ─ somebody holds DIR/lock ────────────► HTTP to the holder's address, key from DIR/admin.key
//!            └ nobody does ────────────────────────► the services' routers in this process, on the files in DIR
//! ```
//!
//! Either way a request meets the same routes, so that a command has one way to ask. To look, the
//! files are opened read-only; to change something the folder is locked first, as `cohort up` does.

mod in_process;

use std::path::{Path, PathBuf};

use anyhow::Context;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use clap::Args;
use cohort_config_client::Problem;
use futures_util::{Stream, TryStreamExt};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, Lines};
use tokio_util::io::StreamReader;
use tower::ServiceExt;

use crate::config::Environment;
use crate::failure::WrongInput;
use crate::lifecycle::{DataDir, read_admin_key};
use crate::services::BASE;
use crate::serving::HttpServer;

const URL_HELP: &str = "The service's address, such as http://127.0.0.1:8000/api/v1 [default: \
    CONFIG_SERVICE_URL; for what an agent knows \
                        COHORT_AGENT_URL before it]; its key is CONFIG_SERVICE_API_KEY";

/// The media type of most bodies.
const JSON: &str = "application/json";

/// Where the service is.
#[derive(Args)]
pub(crate) struct EndpointArgs {
    #[arg(long, value_name = "URL", help = URL_HELP)]
    url: Option<String>,
    /// The folder of `cohort up`, whether it runs or not
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data: Option<PathBuf>,
}

/// What a command means to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Only read.
    Look,
    /// Only read what takes an agent that can ask the Config Database.
    LookAsAgent,
    /// Write too.
    Change,
}

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

impl EndpointArgs {
    /// Finds the Config Database; nothing is asked of it yet.
    pub(crate) async fn connect(
        &self,
        environment: &Environment,
        access: Access,
    ) -> anyhow::Result<Endpoint> {
        let url = self.url.as_ref().or(environment.config_service_url.as_ref());
        self.reach(url, "CONFIG_SERVICE_URL", environment, access).await
    }

    /// Finds the agent, which may be where the Config Database is; nothing is asked of it yet.
    pub(crate) async fn connect_to_agent(
        &self,
        environment: &Environment,
        access: Access,
    ) -> anyhow::Result<Endpoint> {
        let url = self
            .url
            .as_ref()
            .or(environment.agent_url.as_ref())
            .or(environment.config_service_url.as_ref());
        self.reach(url, "COHORT_AGENT_URL", environment, access).await
    }

    async fn reach(
        &self,
        url: Option<&String>,
        variable: &str,
        environment: &Environment,
        access: Access,
    ) -> anyhow::Result<Endpoint> {
        if let Some(data) = &self.data {
            return connect_to_folder(data, access, environment).await;
        }
        let Some(url) = url else {
            return Err(WrongInput(format!(
                "where is the service? Give --data DIR or --url URL, or set {variable}"
            ))
            .into());
        };
        Endpoint::http(url, environment.config_service_api_key.as_deref())
    }
}

async fn connect_to_folder(
    data: &Path,
    access: Access,
    environment: &Environment,
) -> anyhow::Result<Endpoint> {
    match DataDir::holder(data)? {
        Some(holder) => {
            let pid = holder.pid;
            let address = holder.address.with_context(|| {
                format!(
                    "{} is in use by process {pid}, which does not listen: try again",
                    data.display()
                )
            })?;
            let key = read_admin_key(data)?;
            Endpoint::http(&format!("http://{address}{BASE}"), key.as_deref())
        }
        None => in_process::open(data, access, environment).await,
    }
}

impl Endpoint {
    /// A service at this address.
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

    /// The answer to a GET. `path` begins below `/api/v1` and is already encoded.
    pub(crate) async fn get_json<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let act = format!("GET {path}");
        read_json(&act, self.send(Method::GET, path, JSON, Body::empty()).await?).await
    }

    /// The answer to a GET; `None` if there is no such thing, or there is no longer.
    pub(crate) async fn find_json<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> anyhow::Result<Option<T>> {
        let act = format!("GET {path}");
        let response = self.ask(Method::GET, path, JSON, Body::empty()).await?;
        match response.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            status if status.is_success() => read_json(&act, response).await.map(Some),
            _ => Err(refusal(&act, response).await),
        }
    }

    /// The answer to a request with a body of JSON.
    pub(crate) async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<T> {
        let act = format!("{method} {path}");
        read_json(&act, self.send(method, path, JSON, Body::from(body.to_string())).await?).await
    }

    /// The answer to a DELETE; null if it has no body.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        let response = self.send(Method::DELETE, path, JSON, Body::empty()).await?;
        let body = read_whole(response)
            .await
            .with_context(|| format!("DELETE {path}: the answer broke off"))?;
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    /// The lines of the answer to a GET, as they come.
    pub(crate) async fn get_lines(
        &self,
        path: &str,
    ) -> anyhow::Result<Lines<impl AsyncBufRead + Unpin + use<>>> {
        Ok(lines_of(self.send(Method::GET, path, JSON, Body::empty()).await?))
    }

    /// Posts what `lines` gives, and gives the lines of the answer while it is still posting.
    pub(crate) async fn post_lines<S, E>(
        &self,
        path: &str,
        kind: &'static str,
        lines: S,
    ) -> anyhow::Result<Lines<impl AsyncBufRead + Unpin + use<S, E>>>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        Ok(lines_of(self.send(Method::POST, path, kind, Body::from_stream(lines)).await?))
    }

    /// The head of an answer that says 2xx; another answer is the error that it describes.
    async fn send(
        &self,
        method: Method,
        path: &str,
        kind: &'static str,
        body: Body,
    ) -> anyhow::Result<Response<Body>> {
        let act = format!("{method} {path}");
        let response = self.ask(method, path, kind, body).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(&act, response).await)
    }

    /// The head of an answer, whatever it says.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        kind: &'static str,
        body: Body,
    ) -> anyhow::Result<Response<Body>> {
        Ok(match self {
            Self::Http { http, base, key } => {
                let request = request(method, format!("{base}{path}"), key.as_ref(), kind, body)?;
                let request =
                    request.map(|body| reqwest::Body::wrap_stream(body.into_data_stream()));
                let sent =
                    http.execute(request.try_into().context("cannot make the request")?).await;
                let hint = || {
                    format!(
                        "cannot reach the service at {base}: is it running? `cohort up --data DIR` \
                         starts one"
                    )
                };
                Response::<reqwest::Body>::from(
                    sent.map_err(reqwest::Error::without_url).with_context(hint)?,
                )
                .map(Body::new)
            }
            Self::InProcess { router, key, .. } => {
                let request = request(method, format!("{BASE}{path}"), Some(key), kind, body)?;
                router.clone().oneshot(request).await?
            }
        })
    }
}

/// A path with those of these query parameters that have a value, percent-encoded.
pub(crate) fn query(
    path: &str,
    parameters: impl IntoIterator<Item = (&'static str, Option<String>)>,
) -> String {
    let encoded = parameters.into_iter().filter_map(|(name, value)| {
        let value = value?;
        Some(format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)))
    });
    format!("{path}?{}", encoded.collect::<Vec<_>>().join("&"))
}

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

fn bearer(key: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.trim()))
        .map_err(|_not_printable| WrongInput("the key holds characters that no key has".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn request(
    method: Method,
    uri: String,
    key: Option<&HeaderValue>,
    kind: &'static str,
    body: Body,
) -> anyhow::Result<Request<Body>> {
    let mut request = Request::builder().method(method).uri(&uri).header(CONTENT_TYPE, kind);
    if let Some(key) = key {
        request = request.header(AUTHORIZATION, key);
    }
    Ok(request
        .body(body)
        .map_err(|error| WrongInput(format!("{uri} is no address of a service: {error}")))?)
}

fn lines_of(response: Response<Body>) -> Lines<impl AsyncBufRead + Unpin> {
    let answer = response.into_body().into_data_stream().map_err(std::io::Error::other);
    StreamReader::new(Box::pin(answer)).lines()
}

async fn read_json<T: DeserializeOwned>(act: &str, response: Response<Body>) -> anyhow::Result<T> {
    let body =
        read_whole(response).await.with_context(|| format!("{act}: the answer broke off"))?;
    serde_json::from_slice(&body)
        .with_context(|| format!("{act}: the answer is not what was asked for"))
}

async fn read_whole(response: Response<Body>) -> Result<Bytes, axum::Error> {
    axum::body::to_bytes(response.into_body(), usize::MAX).await
}

/// What an answer that is not 2xx means, and what to do about it.
async fn refusal(act: &str, response: Response<Body>) -> anyhow::Error {
    let status = response.status();
    // A body that breaks off explains nothing; the status code stands.
    let body = read_whole(response).await.unwrap_or_default();
    let told = Problem::from_json(status, &body)
        .map_or_else(|| status.to_string(), |problem| problem.to_string());
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            WrongInput(format!("{act}: {told}")).into()
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            anyhow::anyhow!(
                "{act}: {told}; set CONFIG_SERVICE_API_KEY, or give --data DIR to use the key in \
                 DIR/admin.key"
            )
        }
        _ => anyhow::anyhow!("{act}: {told}"),
    }
}
