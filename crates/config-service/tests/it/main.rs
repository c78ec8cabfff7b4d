//! The whole service through its router: every route, good and bad.

mod access;
mod audit;
mod changes;
mod concurrent;
mod contract;
mod documents;
mod features;
mod groups;
mod import;
mod keys;
mod limits;
mod links;
mod metrics;
mod preferences;
mod running;
mod stream;
mod tenants;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use cohort_config_service::{ConfigService, ConfigServiceOptions, DatabaseAddress};
use cohort_database::testing::TestDatabase;
use cohort_preferences::Clock;
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

/// A clock that moves a microsecond each time that it is asked, and otherwise by hand.
struct Hand(AtomicI64);

impl Hand {
    fn at(instant: &str) -> Arc<Self> {
        let hand = Self(AtomicI64::new(0));
        hand.set(instant);
        Arc::new(hand)
    }

    fn set(&self, instant: &str) {
        let instant: Timestamp = instant.parse().expect("an instant");
        self.0.store(instant.as_microsecond(), Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.fetch_add(1, Ordering::SeqCst)).expect("in range")
    }
}

/// A service on a database of its own, with its admin key.
struct Fixture {
    service: ConfigService,
    router: Router,
    key: String,
    clock: Arc<Hand>,
    folder: TempDir,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

const BEGINNING: &str = "2026-12-01T12:00:00Z";

async fn open(folder: &Path, clock: Arc<Hand>, read_only: Option<&str>) -> ConfigService {
    let options = ConfigServiceOptions {
        read_only: read_only.map(str::to_owned),
        ..ConfigServiceOptions::sqlite(folder.join("config.db"), clock)
    };
    ConfigService::open(options).await.expect("opens")
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Hand::at(BEGINNING);
        let service = open(folder.path(), clock.clone(), None).await;
        Self::of(service, clock, folder).await
    }

    /// The same database, closed and opened again: it has one owner at a time.
    async fn reopened(self) -> Self {
        let Self { service, router, key, clock, folder } = self;
        drop((service, router));
        // What runs in the background ends with the step that it is at.
        let free = async || loop {
            let path = folder.path().join("config.db");
            let opened =
                ConfigService::open(ConfigServiceOptions::sqlite(path, clock.clone())).await;
            match opened {
                Ok(service) => return service,
                Err(_in_use) => tokio::task::yield_now().await,
            }
        };
        let service = tokio::time::timeout(std::time::Duration::from_mins(1), free());
        let service = service.await.expect("free soon");
        Self { router: service.router(), service, key, clock, folder }
    }

    async fn on_postgres(database: &TestDatabase) -> Self {
        let address: DatabaseAddress = database.url.parse().expect("an address");
        let clock = Hand::at(BEGINNING);
        let options =
            ConfigServiceOptions::new(address.in_schema(database.schema.as_str()), clock.clone());
        let service = ConfigService::open(options).await.expect("opens");
        Self::of(service, clock, tempfile::tempdir().expect("a folder")).await
    }

    async fn of(service: ConfigService, clock: Arc<Hand>, folder: TempDir) -> Self {
        let key = service
            .create_admin_key_if_none("admin")
            .await
            .expect("stores")
            .expect("the first key");
        Self { router: service.router(), service, key, clock, folder }
    }

    /// A request with the admin key.
    fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let authorization = format!("Bearer {}", self.key);
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, "application/json")
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().to_string());
        let response = self.router.clone().oneshot(request).await.expect("a router always answers");
        let answer = Answer::read(response).await;
        contract::assert_declared(&method, &path, &answer);
        answer
    }

    async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let path = format!("/api/v1{path}");
        self.send(self.request(method, &path).body(body.into()).expect("a request")).await
    }

    /// A call with one header more.
    async fn call_with(
        &self,
        method: Method,
        path: &str,
        header: (&str, &str),
        body: impl Into<Body>,
    ) -> Answer {
        let request = self.request(method, &format!("/api/v1{path}")).header(header.0, header.1);
        self.send(request.body(body.into()).expect("a request")).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Body::empty()).await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path, body.to_string()).await
    }

    /// Sets one preference, which must succeed.
    async fn set(&self, tenant: &str, preference: &Value) -> Value {
        let answer = self.put(&format!("/tenants/{tenant}/preferences/posts"), preference).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        answer.json()
    }

    /// The whole feed so far.
    async fn feed(&self) -> Vec<Value> {
        let page = self.get("/preferences/changes").await.json();
        page["changes"].as_array().expect("changes").clone()
    }
}

impl Answer {
    async fn read(response: axum::response::Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        Self {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// Asserts a problem of this status and gives it.
    #[track_caller]
    fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header(header::CONTENT_TYPE), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        problem
    }

    /// Asserts a 422 and gives the pointers that it names.
    #[track_caller]
    fn pointers(&self) -> Vec<String> {
        let problem = self.problem(422);
        let errors = problem["errors"].as_array().expect("errors");
        errors
            .iter()
            .map(|error| error["pointer"].as_str().expect("a pointer").to_owned())
            .collect()
    }
}
