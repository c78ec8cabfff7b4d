//! The `http` handler against a server on loopback: what it sends, and what it makes of each answer
//! (D1, D4, W6).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use cohort_batch_agent::{
    Handler, HandlerError, HttpHandler, ResultStatus, RunId, SigningSecret, SimulatedClock,
    UserShare, Work,
};
use cohort_preferences::Clock;
use serde_json::{Value, json};

use crate::stage::{Stage, instant};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: &str = "2026-12-01T09:00:05Z";

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A server that gives one answer to everything, and what it was sent.
struct Endpoint {
    url: String,
    seen: Seen,
}

impl Endpoint {
    async fn answering(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Self {
        let seen = Seen::default();
        let record = move |State(seen): State<Seen>, headers: HeaderMap, body: Bytes| {
            seen.lock().expect("no test panics here").push((headers, body));
            std::future::ready(answer())
        };
        let router = Router::new()
            .route("/", post(record.clone()))
            .route("/elsewhere", post(record))
            .with_state(seen.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    async fn answer_to(&self, work: &Work) -> Result<HashMap<String, ResultStatus>, HandlerError> {
        let clock = Arc::new(SimulatedClock::starting_at(instant(NOW)));
        let handler =
            HttpHandler::new(&self.url, Some(SECRET.parse().expect("a secret")), None, clock)
                .expect("a handler");
        let results = handler.call(work).await?;
        Ok(results
            .into_iter()
            .map(|result| (result.tenant_id.to_string(), result.status))
            .collect())
    }

    fn calls(&self) -> usize {
        self.seen.lock().expect("no test panics here").len()
    }

    fn only_call(&self) -> (HeaderMap, Bytes) {
        let seen = self.seen.lock().expect("no test panics here");
        assert_eq!(seen.len(), 1);
        seen[0].clone()
    }
}

fn user(tenant: &str, tone: &str) -> UserShare {
    let overrides = json!({"tone": tone}).as_object().expect("an object").clone();
    let tenant_id = tenant.parse().expect("a tenant");
    UserShare {
        tenant_id,
        key: format!("key-of-{tenant}"),
        attempt: 2,
        preference_version: 7,
        template_overrides: overrides,
        repeats: None,
    }
}

fn work(users: Vec<UserShare>, is_chunk: bool) -> Work {
    Work {
        job_id: "write_posts".parse().expect("a job"),
        run_id: RunId(3),
        feature_type: "posts".parse().expect("a feature"),
        purpose_id: "write".parse().expect("a purpose"),
        nominal: "2026-12-01T10:00".parse().expect("a nominal time"),
        timezone: "Europe/Berlin".into(),
        scheduled_at: instant("2026-12-01T09:00:00Z"),
        users,
        is_chunk,
    }
}

fn one() -> Work {
    work(vec![user("u1", "dry")], false)
}

fn chunk() -> Work {
    work(vec![user("u1", "dry"), user("u2", "warm"), user("u3", "dry")], true)
}

#[tokio::test]
async fn a_call_for_one_user_is_a_signed_cloud_event_with_the_users_key() {
    let endpoint = Endpoint::answering(|| StatusCode::NO_CONTENT.into_response()).await;
    let answer = endpoint.answer_to(&one()).await;
    assert_eq!(answer, Ok(HashMap::from([("u1".into(), ResultStatus::Succeeded)])));

    let (headers, body) = endpoint.only_call();
    assert_eq!(headers["content-type"], "application/cloudevents+json");
    assert_eq!(headers["idempotency-key"], "key-of-u1");
    assert_eq!(headers["webhook-id"], "key-of-u1");
    assert_eq!(headers["webhook-timestamp"], instant(NOW).as_second().to_string().as_str());
    let secret: SigningSecret = SECRET.parse().expect("a secret");
    assert_eq!(
        headers["webhook-signature"],
        secret.sign("key-of-u1", instant(NOW), &body).as_str()
    );
    let expected = json!({
        "specversion": "1.0", "id": "key-of-u1", "source": "/cohort/jobs/write_posts",
        "type": "cohort.user.v1", "subject": "u1",
        "time": NOW, "datacontenttype": "application/json",
        "data": {
            "job_id": "write_posts", "run_id": 3, "feature_type": "posts", "purpose_id": "write",
            "nominal": "2026-12-01T10:00",
            "timezone": "Europe/Berlin", "scheduled_at": "2026-12-01T09:00:00Z",
            "users": [{"tenant_id": "u1", "key": "key-of-u1", "attempt": 2, "preference_version": 7,
                "template_overrides": {"tone": "dry"}}],
        },
    });
    assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON"), expected);
}

#[tokio::test]
async fn a_chunk_call_has_a_key_of_its_own_and_groups_its_users_by_their_overrides() {
    let endpoint = Endpoint::answering(|| axum::Json(json!({"results": []})).into_response()).await;
    assert_eq!(
        endpoint.answer_to(&chunk()).await,
        Ok(HashMap::new()),
        "who is left out is tried again by the processor"
    );

    let (headers, body) = endpoint.only_call();
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let key = headers["idempotency-key"].to_str().expect("a text");
    assert!(!["key-of-u1", "key-of-u2", "key-of-u3"].contains(&key));
    assert_eq!((&body["type"], &body["id"]), (&json!("cohort.chunk.v1"), &json!(key)));
    assert!(
        body.get("subject").is_none(),
        "a chunk has no one subject, and CloudEvents knows no null"
    );
    assert_eq!(body["data"]["users"].as_array().map(Vec::len), Some(3));
    let groups = json!([
        {"template_overrides": {"tone": "dry"}, "tenant_ids": ["u1", "u3"]},
        {"template_overrides": {"tone": "warm"}, "tenant_ids": ["u2"]},
    ]);
    assert_eq!(body["data"]["override_groups"], groups);
}

#[tokio::test]
async fn results_say_what_became_of_each_user() {
    let results = json!({"results": [
        {"tenant_id": "u1", "status": "succeeded", "result": {"post": 9}},
        {"tenant_id": "u2", "status": "failed", "error": "no such account"},
        {"tenant_id": "u3", "status": "retry", "retry_after_s": 5, "usage": 3},
    ]});
    let endpoint = Endpoint::answering(move || axum::Json(results.clone()).into_response()).await;
    let expected = [
        ("u1", ResultStatus::Succeeded),
        ("u2", ResultStatus::Failed),
        ("u3", ResultStatus::Retry),
    ];
    let expected = expected.map(|(tenant, status)| (tenant.to_owned(), status));
    assert_eq!(endpoint.answer_to(&chunk()).await, Ok(HashMap::from(expected)));
}

#[tokio::test]
async fn what_can_succeed_later_is_retried_and_what_cannot_is_not() {
    for (status, may_retry) in [
        (408, true),
        (425, true),
        (429, true),
        (500, true),
        (503, true),
        (400, false),
        (404, false),
        (410, false),
    ] {
        let endpoint = Endpoint::answering(move || {
            StatusCode::from_u16(status).expect("a status").into_response()
        })
        .await;
        match endpoint.answer_to(&one()).await {
            Err(HandlerError::Retry { detail, retry_after_s: None }) => {
                assert!(may_retry && detail.contains(&status.to_string()), "{detail}");
            }
            Err(HandlerError::Reject { detail }) => {
                assert!(!may_retry && detail.contains(&status.to_string()), "{detail}");
            }
            other => panic!("{status}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn retry_after_is_read_as_seconds_and_as_a_date() {
    for (text, seconds) in [("120", 120), ("Tue, 01 Dec 2026 09:01:05 GMT", 60)] {
        let endpoint = Endpoint::answering(move || {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", text)]).into_response()
        })
        .await;
        let answer = endpoint.answer_to(&one()).await;
        assert!(
            matches!(answer,
                Err(HandlerError::Retry { retry_after_s: Some(got), .. }) if got == seconds),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let endpoint = Endpoint::answering(|| {
        (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response()
    })
    .await;
    let answer = endpoint.answer_to(&one()).await;
    assert!(matches!(answer, Err(HandlerError::Reject { .. })), "{answer:?}");
    assert_eq!(endpoint.calls(), 1);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_and_a_later_one_is_not_served() {
    let endless = Endpoint::answering(|| vec![b'{'; (1 << 20) + 1].into_response()).await;
    let answer = endless.answer_to(&one()).await;
    assert!(
        matches!(&answer,
            Err(HandlerError::BadAnswer { detail }) if detail.contains("more than 1048576 bytes")),
        "{answer:?}"
    );
    let page = Endpoint::answering(|| vec![b' '; (1 << 20) + 1].into_response()).await;
    let succeeded = HashMap::from([("u1".to_owned(), ResultStatus::Succeeded)]);
    assert_eq!(page.answer_to(&one()).await, Ok(succeeded));
    let later = Endpoint::answering(|| StatusCode::ACCEPTED.into_response()).await;
    let answer = later.answer_to(&one()).await;
    assert!(
        matches!(&answer, Err(HandlerError::Reject { detail }) if detail.contains("202")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn an_answer_without_results_is_success_for_everybody() {
    for body in ["", "OK", "{}", "{\"ok\":true}", "\n", "<html>"] {
        let endpoint = Endpoint::answering(move || body.into_response()).await;
        let answer = endpoint.answer_to(&chunk()).await.expect("success");
        assert_eq!(answer.len(), 3, "{body}");
        assert!(answer.values().all(|status| *status == ResultStatus::Succeeded), "{body}");
    }
}

#[tokio::test]
async fn a_refusal_is_kept_with_the_first_500_bytes_of_its_reason() {
    let reason = format!("no such account\r\n{}", "é".repeat(4_000));
    let answer = move || (StatusCode::BAD_REQUEST, reason.clone()).into_response();
    let answer = Endpoint::answering(answer).await.answer_to(&one()).await;
    let Err(HandlerError::Reject { detail }) = &answer else { panic!("{answer:?}") };
    let said = detail.strip_prefix("answered 400 Bad Request: ").expect("the status");
    assert!(said.starts_with("no such account  éé"), "{said}");
    assert!((499..=500).contains(&said.len()), "{}", said.len());
}

#[tokio::test]
async fn nobody_listening_is_retried_and_the_address_is_not_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/secret-path", listener.local_addr().expect("an address"));
    drop(listener);
    let answer = Endpoint { url, seen: Seen::default() }.answer_to(&one()).await;
    assert!(
        matches!(&answer,
            Err(HandlerError::Retry { detail, .. }) if !detail.contains("secret-path")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn runs_reach_the_endpoint_and_its_answer_reaches_the_ledger() {
    let endpoint = Endpoint::answering(|| StatusCode::OK.into_response()).await;
    let stage = Stage::with_daily_users(30, &json!({}));
    let clock: Arc<dyn Clock> = Arc::new(stage.clock.clone());
    let handler = HttpHandler::new(&endpoint.url, None, None, clock).expect("a handler");
    let builder = stage.builder().handler("write", Arc::new(handler));
    stage.agent_of(builder).await.until("2026-12-01T12:00:00Z").await;

    stage.assert_each_succeeded_once(30, &["2026-12-01T09:00"]).await;
    assert_eq!(endpoint.calls(), 30);
    let keys: std::collections::HashSet<_> =
        stage.outcomes().await.into_iter().map(|outcome| outcome.key).collect();
    let seen = endpoint.seen.lock().expect("no test panics here");
    assert!(seen.iter().all(|(headers,
        _)| keys.contains(headers["idempotency-key"].to_str().expect("a text"))));
}
