//! `http`: POSTs the work to an endpoint as a CloudEvent and reads what became of each user.
//!
//! A call carries `Idempotency-Key` and, if the purpose has a secret, the three headers of Standard
//! Webhooks. Redirects are not followed and answers are bounded, because the endpoint is somebody
//! else's program. What the answer means:
//!
//! | answer | each user |
//! | --- | --- |
//! | 2xx with results | as its result says; missing from the results: retry |
//! | 2xx without a body | succeeded, in a call for one user |
//! | 408, 425, 429, 5xx, none, one that cannot be read | retry, not before `Retry-After` (D4) |
//! | other | failed (D4) |

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cohort_preferences::{Clock, TenantId};
use futures_util::StreamExt;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::public_address::PublicResolver;
use super::signature::SigningSecret;
use crate::handler::{Handler, HandlerError, UserResult, UserShare, Work};
use cohort_ledger::chunk_key;

/// The most bytes of an answer that are read.
const LONGEST_ANSWER: usize = 1 << 20;

/// How long a call may take if the purpose does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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

#[derive(Deserialize)]
struct Answer {
    results: Vec<UserResult>,
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
        request
            .body(body)
            .send()
            .await
            .map_err(|error| HandlerError::Retry { detail: shown(&error), retry_after_s: None })
    }
}

#[async_trait]
impl Handler for HttpHandler {
    async fn call(&self, work: &Work) -> Result<Vec<UserResult>, HandlerError> {
        let response = self.post(work).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(refusal(&response, self.clock.now()));
        }
        if status == StatusCode::ACCEPTED {
            return Err(HandlerError::Reject {
                detail: "answered 202: answers that come later are not served by this version"
                    .into(),
            });
        }
        read_results(work, &read_bounded(response).await?)
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

/// What a status other than 2xx means (D4).
fn refusal(response: &Response, now: Timestamp) -> HandlerError {
    let status = response.status();
    let detail = format!("answered {status}");
    let may_succeed_later = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    ) || status.is_server_error();
    if !may_succeed_later {
        return HandlerError::Reject { detail };
    }
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    HandlerError::Retry {
        detail,
        retry_after_s: retry_after.and_then(|text| seconds_of(text, now)),
    }
}

/// The seconds that a `Retry-After` asks for, as a number or as a date (RFC 9110, section 10.2.3).
fn seconds_of(retry_after: &str, now: Timestamp) -> Option<u64> {
    if let Ok(seconds) = retry_after.parse() {
        return Some(seconds);
    }
    let left = DateTimeParser::new().parse_timestamp(retry_after).ok()?.duration_since(now);
    // A part of a second counts as a whole one: it is a floor.
    u64::try_from(left.as_secs() + i64::from(left.subsec_nanos() > 0)).ok()
}

async fn read_bounded(response: Response) -> Result<Vec<u8>, HandlerError> {
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(
            &piece.map_err(|error| HandlerError::Retry {
                detail: shown(&error),
                retry_after_s: None,
            })?,
        );
        if body.len() > LONGEST_ANSWER {
            return Err(HandlerError::Reject {
                detail: format!("answered more than {LONGEST_ANSWER} bytes"),
            });
        }
    }
    Ok(body)
}

fn read_results(work: &Work, body: &[u8]) -> Result<Vec<UserResult>, HandlerError> {
    if body.is_empty() {
        return match work.users.as_slice() {
            [user] => Ok(vec![UserResult::succeeded(user.tenant_id.clone())]),
            _ => Err(HandlerError::Retry {
                detail: "answered without results for its users".into(),
                retry_after_s: None,
            }),
        };
    }
    serde_json::from_slice::<Answer>(body).map(|answer| answer.results).map_err(|error| {
        HandlerError::Retry {
            detail: format!("the answer is not {{\"results\": […]}}: {error}"),
            retry_after_s: None,
        }
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = "2026-12-01T00:00:00Z".parse().expect("instant");
        assert_eq!(seconds_of("120", now), Some(120));
        assert_eq!(seconds_of("Tue, 01 Dec 2026 00:01:30 GMT", now), Some(90));
        let between = "2026-12-01T00:00:00.7Z".parse().expect("instant");
        assert_eq!(
            seconds_of("Tue, 01 Dec 2026 00:01:30 GMT", between),
            Some(90),
            "never too early"
        );
        assert_eq!(seconds_of("Mon, 30 Nov 2026 00:00:00 GMT", now), None);
        assert_eq!(seconds_of("soon", now), None);
    }
}
