//! How a client comes to be: address, key, cache.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use crate::cache::DocumentCache;
use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::key::ApiKey;
use crate::transport::Transport;

/// The specification's default of `CONFIG_CACHE_TTL`.
const DEFAULT_TTL: Duration = Duration::from_hours(1);

/// Settings of a client that is not there yet; see [`ConfigDatabaseClient::builder`].
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    base_url: String,
    api_key: Option<Secret>,
    cache_ttl: Duration,
}

/// A key as it was given, not yet read.
#[derive(Clone)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("masked")
    }
}

impl ConfigDatabaseClient {
    /// Starts a client of the Config Database at `base_url`, such as `http://config-service:8000/api/v1`.
    pub fn builder(base_url: impl Into<String>) -> ClientBuilder {
        ClientBuilder { base_url: base_url.into(), api_key: None, cache_ttl: DEFAULT_TTL }
    }

    /// A client as the environment says: `CONFIG_SERVICE_URL`, `CONFIG_SERVICE_API_KEY` and `CONFIG_CACHE_TTL` (seconds).
    ///
    /// Fails if the address or the key is missing, or if one of them is malformed.
    #[expect(
        clippy::disallowed_methods,
        reason = "the specification's public name for services that configure the client by these variables; `cohort` itself does not call it"
    )]
    pub fn from_env() -> Result<Self, ClientError> {
        let mut builder = Self::builder(required("CONFIG_SERVICE_URL", std::env::var("CONFIG_SERVICE_URL").ok())?);
        builder = builder.api_key(required("CONFIG_SERVICE_API_KEY", std::env::var("CONFIG_SERVICE_API_KEY").ok())?);
        if let Ok(seconds) = std::env::var("CONFIG_CACHE_TTL") {
            builder = builder.cache_ttl(read_ttl(&seconds)?);
        }
        builder.build()
    }
}

fn required(name: &'static str, value: Option<String>) -> Result<String, ClientError> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| ClientError::Setting { name, detail: "not set".into() })
}

fn read_ttl(seconds: &str) -> Result<Duration, ClientError> {
    seconds.parse().map(Duration::from_secs).map_err(|_not_a_number| ClientError::Setting {
        name: "CONFIG_CACHE_TTL",
        detail: format!("expected seconds as a whole number, got {seconds:?}"),
    })
}

impl ClientBuilder {
    /// The key to present; without one only a Config Database that asks for none answers.
    #[must_use]
    pub fn api_key(mut self, secret: impl Into<String>) -> Self {
        self.api_key = Some(Secret(secret.into()));
        self
    }

    /// How long a document is served from the cache; zero switches the cache off. The default is an hour.
    #[must_use]
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.cache_ttl = ttl;
        self
    }

    /// The client. Opens no connection yet; fails if address or key cannot be any.
    pub fn build(self) -> Result<ConfigDatabaseClient, ClientError> {
        let base_url = read_address(&self.base_url)?;
        let key = self.api_key.as_ref().map(read_key).transpose()?;
        let transport = Transport::new(base_url, key)?;
        Ok(ConfigDatabaseClient { transport, cache: Arc::new(DocumentCache::new(self.cache_ttl)) })
    }
}

fn read_key(Secret(secret): &Secret) -> Result<ApiKey, ClientError> {
    ApiKey::new(secret).ok_or_else(|| ClientError::Setting {
        name: "CONFIG_SERVICE_API_KEY",
        detail: "expected printable characters without spaces".into(),
    })
}

/// A base without query, fragment or password, and without a slash at its end.
fn read_address(given: &str) -> Result<Url, ClientError> {
    let mut url = Url::parse(given).map_err(|_no_url| ClientError::Address { given: given.into() })?;
    if url.password().is_some() || !url.username().is_empty() {
        return Err(ClientError::Address { given: String::new() });
    }
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return Err(ClientError::Address { given: given.into() });
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_address_is_http_without_query_or_password() {
        for good in ["http://config-service:8000/api/v1", "https://example.com/api/v1/", "http://[::1]:8000"] {
            assert!(read_address(good).is_ok(), "{good}");
        }
        for bad in ["", "config-service:8000", "ftp://x/api/v1", "http://x/api/v1?a=b", "http://u:p@x/api/v1"] {
            assert!(read_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_not_repeated_in_the_error() {
        let error = read_address("http://user:hunter2@x/api/v1").expect_err("refused");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn neither_client_nor_builder_shows_the_key() {
        let builder = ConfigDatabaseClient::builder("http://x/api/v1").api_key("hunter2");
        assert!(!format!("{builder:?}").contains("hunter2"));
        let client = builder.build().expect("valid");
        assert!(!format!("{client:?}").contains("hunter2"));
    }

    #[test]
    fn a_ttl_is_a_whole_number_of_seconds() {
        assert_eq!(read_ttl("3600").expect("valid"), DEFAULT_TTL);
        assert!(read_ttl("1h").is_err());
    }
}
