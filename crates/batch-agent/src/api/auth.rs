//! Who may ask: the Config Database knows the keys, the agent asks it and remembers the answer for five seconds (W4).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cohort_config_client::ConfigDatabaseClient;
use moka::future::Cache;

use super::problem;
use crate::source::SourceError;

/// How long a checked key is believed: a key that was revoked works this much longer at most.
const REMEMBERED: Duration = Duration::from_secs(5);

/// The most keys remembered at once.
const MOST_KEYS: u64 = 10_000;

/// Says whether a key may use the API.
#[async_trait]
pub trait KeyCheck: Send + Sync + 'static {
    /// Whether the key is known and not revoked.
    async fn is_valid(&self, key: &str) -> Result<bool, SourceError>;
}

/// Keys checked by the Config Database.
pub struct VerifiedKeys {
    client: ConfigDatabaseClient,
    /// By hash: a key is not kept in memory longer than its request.
    known: Cache<blake3::Hash, bool>,
}

impl VerifiedKeys {
    /// Asks through this client.
    pub fn new(client: ConfigDatabaseClient) -> Self {
        Self { client, known: Cache::builder().max_capacity(MOST_KEYS).time_to_live(REMEMBERED).build() }
    }
}

#[async_trait]
impl KeyCheck for VerifiedKeys {
    async fn is_valid(&self, key: &str) -> Result<bool, SourceError> {
        let hash = blake3::hash(key.as_bytes());
        if let Some(valid) = self.known.get(&hash).await {
            return Ok(valid);
        }
        let valid = self.client.verify_key(key).await?.is_some();
        self.known.insert(hash, valid).await;
        Ok(valid)
    }
}

pub(super) async fn require_key(State(keys): State<Arc<dyn KeyCheck>>, request: Request, next: Next) -> Response {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(key) = header.and_then(|value| value.strip_prefix("Bearer ")) else {
        return problem::unauthorized().into_response();
    };
    match keys.is_valid(key).await {
        Ok(true) => next.run(request).await,
        Ok(false) => problem::unauthorized().into_response(),
        Err(error) => problem::keys_unavailable(&error).into_response(),
    }
}
