//! `http`: POSTs the work to an endpoint as a CloudEvent and reads what became of each user.
//!
//! A call carries `Idempotency-Key` and, if the purpose has a secret, the three headers of Standard
//! Webhooks. Redirects are not followed and answers are bounded, because the endpoint is somebody
//! else's program. What the answer means is decided in `answer`, and which faults are our own in
//! `own_fault`.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cohort_preferences::{Clock, TenantId};
use futures_util::StreamExt;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::{self, Body, LONGEST_ANSWER};
use super::own_fault;
use super::public_address::PublicResolver;
use super::signature::SigningSecret;
use crate::handler::{Handler, HandlerError, LONGEST_EXCERPT, UserResult, UserShare, Work};
use cohort_ledger::chunk_key;

/// How long a call may take if the purpose does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the reason in the body of a refusal is waited for.
const TIME_FOR_REASON: Duration = Duration::from_secs(2);

/// Calls an HTTP endpoint.
pub struct HttpHandler {
    client: Client,
    url: Url,
    secret: Option<SigningSecret>,
    clock: Arc<dyn Clock>,
}

/// Why an `http` purpose cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpHandlerError {
    /// The address is none that can be called.
    #[error("url: expected an http or https address, got {0:?}")]
    Url(String),
    /// The HTTP client could not be made.
    #[error("making the HTTP client")]
    Client(#[from] reqwest::Error),
}

/// A CloudEvent in structured JSON (CloudEvents 1.0).
#[derive(Serialize)]
struct Event<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: Timestamp,
    datacontenttype: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    work: &'a Work,
    /// Only in chunk calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    override_groups: Option<Vec<OverrideGroup<'a>>>,
}

/// The users of a chunk whose overrides are the same.
#[derive(Serialize)]
struct OverrideGroup<'a> {
    template_overrides: &'a Map<String, Value>,
    tenant_ids: Vec<&'a TenantId>,
}

impl HttpHandler {
    /// A handler that calls `url`, waiting up to `timeout` (30 s if not given) for each answer.
    pub fn new(
        url: &str,
        secret: Option<SigningSecret>,
        timeout: Option<Duration>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HttpHandlerError> {
        let parsed = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        // The first who installs a provider wins; whichever it is, it serves.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Arc::new(PublicResolver))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout.unwrap_or(DEFAULT_TIMEOUT))
            .no_proxy()
            .user_agent(concat!("cohort/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            client,
            url: parsed.ok_or_else(|| HttpHandlerError::Url(url.into()))?,
            secret,
            clock,
        })
    }

    async fn post(&self, work: &Work) -> Result<Response, HandlerError> {
        let key = call_key(work);
        let now = self.clock.now();
        let body = event(work, &key, now);
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header("idempotency-key", &key)
            .header("webhook-id", &key)
            .header("webhook-timestamp", now.as_second());
        if let Some(secret) = &self.secret {
            request = request.header("webhook-signature", secret.sign(&key, now, &body));
        }
        request.body(body).send().await.map_err(|error| fault_of(&error))
    }
}

#[async_trait]
impl Handler for HttpHandler {
    async fn call(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        let response = self.post(work).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(refusal(response, self.clock.now()).await);
        }
        if status == StatusCode::ACCEPTED {
            return Err(HandlerError::Reject {
                detail: "answered 202: answers that come later are not served by this version"
                    .into(),
            });
        }
        answer::of_success(work, &read_bounded(response, LONGEST_ANSWER).await?)
    }
}

fn call_key(work: &Work) -> String {
    match work.users.as_slice() {
        [user] if !work.is_chunk => user.key.clone(),
        users => chunk_key(users.iter().map(|user| user.key.as_str())),
    }
}

fn event(work: &Work, id: &str, now: Timestamp) -> Vec<u8> {
    let event = Event {
        specversion: "1.0",
        id,
        source: format!("/cohort/jobs/{}", work.job_id),
        kind: if work.is_chunk { "cohort.chunk.v1" } else { "cohort.user.v1" },
        subject: work.users.first().filter(|_| !work.is_chunk).map(|user| user.tenant_id.as_str()),
        time: now,
        datacontenttype: "application/json",
        data: Data { work, override_groups: work.is_chunk.then(|| override_groups(&work.users)) },
    };
    serde_json::to_vec(&event).expect("work is made of values that always have a JSON text")
}

/// The distinct override sets with their users, in the order of the users.
fn override_groups(users: &[UserShare]) -> Vec<OverrideGroup<'_>> {
    let mut groups: Vec<OverrideGroup<'_>> = Vec::new();
    for user in users {
        match groups.iter_mut().find(|group| *group.template_overrides == user.template_overrides) {
            Some(group) => group.tenant_ids.push(&user.tenant_id),
            None => groups.push(OverrideGroup {
                template_overrides: &user.template_overrides,
                tenant_ids: vec![&user.tenant_id],
            }),
        }
    }
    groups
}

/// What a status other than 2xx means (D4). Its body may say why; if it does not come in time, the
/// status alone says it.
async fn refusal(response: Response, now: Timestamp) -> HandlerError {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).cloned();
    let retry_after = retry_after.as_ref().and_then(|value| value.to_str().ok());
    // A character that the excerpt's limit cuts is read whole.
    let reason = read_bounded(response, LONGEST_EXCERPT + 3);
    let beginning = match tokio::time::timeout(TIME_FOR_REASON, reason).await {
        Ok(Ok(Body::Whole(bytes) | Body::TooLong(bytes))) => bytes,
        Ok(Err(_cut)) => Vec::new(),
        Err(_late) => Vec::new(),
    };
    answer::of_refusal(status, retry_after, &beginning, now)
}

async fn read_bounded(response: Response, most: usize) -> Result<Body, HandlerError> {
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece.map_err(|error| fault_of(&error))?);
        if body.len() > most {
            return Ok(Body::TooLong(body));
        }
    }
    Ok(Body::Whole(body))
}

/// What a call means that got no answer, or none that could be read to its end.
fn fault_of(error: &reqwest::Error) -> HandlerError {
    match own_fault::lacking_for_call(error) {
        Some(lacking) => HandlerError::own_fault(lacking),
        None => HandlerError::Retry { detail: shown(error), retry_after_s: None },
    }
}

/// An error of the HTTP client with its causes; addresses are left out, since they may hold
/// secrets.
fn shown(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() { "no answer in time" } else { "no answer" };
    let mut cause = error.source();
    let mut deepest = String::new();
    while let Some(inner) = cause {
        deepest = format!(": {inner}");
        cause = inner.source();
    }
    format!("{kind}{deepest}")
}
