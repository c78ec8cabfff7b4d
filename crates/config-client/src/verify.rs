//! Keys that somebody else presents to the caller.

use reqwest::{Method, StatusCode};

use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::key::{ApiKey, KeyInfo};
use crate::request::Request;

impl ConfigDatabaseClient {
    /// Returns what a key that somebody presented to the caller may do; `None` if it opens nothing
    /// (W4). Not cached.
    pub async fn verify_key(&self, presented: &str) -> Result<Option<KeyInfo>, ClientError> {
        let Some(key) = ApiKey::new(presented) else {
            return Ok(None);
        };
        let request = Request::new(Method::POST, "/api-keys/verify").presenting(key);
        match self.transport.retried(&request).await {
            Ok(answer) => answer.read().map(Some),
            Err(ClientError::Denied { status: StatusCode::UNAUTHORIZED, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
