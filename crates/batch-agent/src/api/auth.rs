//! Who may ask: the Config Database knows the keys, and the agent remembers for five seconds what
//! it said of one (W4).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cohort_config_client::{ConfigDatabaseClient, KeyInfo};
use moka::future::Cache;

use super::problem::Problem;
use crate::source::SourceError;

/// How long a checked key is believed: at most, a revoked key works this much longer.
const REMEMBERED: Duration = Duration::from_secs(5);

/// The scope that operations on jobs need.
const ADMIN: &str = "admin";

/// The most keys remembered at once.
const MOST_KEYS: u64 = 10_000;

/// Knows who holds a key, and what the key may do.
#[async_trait]
pub trait KeyCheck: Send + Sync + 'static {
    /// Returns the holder; `None` if the key is unknown or revoked.
    async fn holder(&self, key: &str) -> Result<Option<KeyInfo>, SourceError>;
}

/// Knows the keys that the Config Database knows.
pub struct VerifiedKeys {
    client: ConfigDatabaseClient,
    /// By hash: a key is not kept in memory longer than its request.
    known: Cache<blake3::Hash, Option<KeyInfo>>,
}

impl VerifiedKeys {
    /// Asks the Config Database through this client.
    pub fn new(client: ConfigDatabaseClient) -> Self {
        Self {
            client,
            known: Cache::builder().max_capacity(MOST_KEYS).time_to_live(REMEMBERED).build(),
        }
    }
}

#[async_trait]
impl KeyCheck for VerifiedKeys {
    async fn holder(&self, key: &str) -> Result<Option<KeyInfo>, SourceError> {
        let hash = blake3::hash(key.as_bytes());
        if let Some(holder) = self.known.get(&hash).await {
            return Ok(holder);
        }
        let holder = self.client.verify_key(key).await?;
        self.known.insert(hash, holder.clone()).await;
        Ok(holder)
    }
}

/// Lets a request with a known key pass, and adds the holder to its extensions.
pub(super) async fn require_key(
    State(keys): State<Arc<dyn KeyCheck>>,
    mut request: Request,
    next: Next,
) -> Response {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(key) = header.and_then(|value| value.strip_prefix("Bearer ")) else {
        return unauthorized().into_response();
    };
    match keys.holder(key).await {
        Ok(Some(holder)) => {
            request.extensions_mut().insert(holder);
            next.run(request).await
        }
        Ok(None) => unauthorized().into_response(),
        Err(error) => keys_unavailable(&error).into_response(),
    }
}

/// Lets a request pass whose key may do everything: only an operator says what a job does (W4, W6).
pub(super) async fn require_admin(
    holder: Option<Extension<KeyInfo>>,
    request: Request,
    next: Next,
) -> Response {
    match holder {
        Some(Extension(holder)) if holder.scopes.iter().any(|scope| scope == ADMIN) => {
            next.run(request).await
        }
        Some(Extension(holder)) => forbidden(&holder.name).into_response(),
        None => unauthorized().into_response(),
    }
}

fn unauthorized() -> Problem {
    Problem::unauthorized("A key is needed", "send a known key as `Authorization: Bearer …`")
}

fn forbidden(holder: &str) -> Problem {
    let detail =
        format!("the key {holder:?} lacks the scope \"admin\", which operations on jobs need");
    Problem::forbidden("The key may not do this", detail)
}

fn keys_unavailable(error: &SourceError) -> Problem {
    tracing::warn!(error = error as &dyn std::error::Error, "a key cannot be checked");
    let detail = "the Config Database does not answer; try again";
    Problem::unavailable("Keys cannot be checked now", detail)
}
