//! A server that responds as the test says and remembers what it was asked.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use cohort_config_client::ConfigDatabaseClient;
use serde_json::{Value, json};

/// One request as it reached the server.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    /// Method, path and query, as sent.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How many requests came before it.
    pub(crate) before: usize,
}

type Answering =
    Arc<dyn Fn(ReceivedRequest) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

pub(crate) struct Server {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl Server {
    pub(crate) async fn answering(
        answer: impl Fn(ReceivedRequest) -> Response + Send + Sync + 'static,
    ) -> Self {
        Self::answering_later(move |request| std::future::ready(answer(request))).await
    }

    pub(crate) async fn answering_later<F>(
        answer: impl Fn(ReceivedRequest) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let received = Arc::new(Mutex::new(Vec::new()));
        let answering: Answering = Arc::new(move |request| Box::pin(answer(request)));
        let log = Arc::clone(&received);
        let router = Router::new().fallback(move |request: Request| {
            respond(request, Arc::clone(&log), Arc::clone(&answering))
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/api/v1", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, received }
    }

    pub(crate) fn client(&self) -> ConfigDatabaseClient {
        ConfigDatabaseClient::builder(&self.url).api_key("hunter2").build().expect("valid")
    }

    /// All requests so far.
    pub(crate) fn received(&self) -> Vec<ReceivedRequest> {
        self.received.lock().expect("no panic holds it").clone()
    }

    /// Method, path and query of all requests so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.received().into_iter().map(|request| request.line).collect()
    }
}

/// Asks again and again, with everything else going on meanwhile, until the answer is there.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.expect("it comes to be so")
}

async fn respond(
    request: Request,
    log: Arc<Mutex<Vec<ReceivedRequest>>>,
    answering: Answering,
) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole request");
    let received = {
        let mut log = log.lock().expect("no panic holds it");
        let received = ReceivedRequest {
            line: format!("{} {}", head.method, head.uri),
            headers: head.headers,
            body,
            before: log.len(),
        };
        log.push(received.clone());
        received
    };
    answering(received).await
}

pub(crate) fn ok(value: &Value) -> Response {
    json_answer(StatusCode::OK, "application/json", value)
}

pub(crate) fn problem(status: StatusCode, detail: &str, errors: &Value) -> Response {
    let body = json!({"type": "about:blank", "title": "no", "status": status.as_u16(),
        "detail": detail, "errors": errors});
    json_answer(status, "application/problem+json", &body)
}

fn json_answer(status: StatusCode, kind: &'static str, value: &Value) -> Response {
    (status, [("content-type", kind)], Body::from(value.to_string())).into_response()
}

/// The specification's document of this tenant, daily at this time.
pub(crate) fn document(tenant: &str, time: &str) -> Value {
    json!({
        "tenant_id": tenant,
        "config_key": "feature_preferences",
        "config_value": {"instagram_posts": {
            "enabled": true, "frequency": "daily", "preferred_time": time,
            "template_overrides": {"tone": "professional"}
        }}
    })
}

pub(crate) fn receipt() -> Value {
    json!({"version": 3, "takes_effect_at": "2026-12-01T00:00:00Z", "next_run": null,
        "reason": "disabled"})
}

pub(crate) fn change_of(tenant: &str) -> Value {
    json!({
        "changes": [{
            "id": "7", "tenant_id": tenant, "feature_type": "instagram_posts", "version": 2,
            "at": "2026-12-01T00:00:00Z",
            "kind": "set", "left": null, "joined": null
        }],
        "next": "7", "complete_until": "2026-12-01T00:00:00Z"
    })
}
