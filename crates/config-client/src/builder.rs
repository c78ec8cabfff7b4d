//! How a client comes to be: address, key, and how much it waits, keeps and asks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use crate::cache::{CacheOptions, DocumentCache};
use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::feed::FeedOptions;
use crate::key::ApiKey;
use crate::transport::{Patience, Transport};

/// The specification's default of `CONFIG_CACHE_TTL`; for M3's `max_stale` the same.
const DEFAULT_CACHE: CacheOptions = CacheOptions {
    ttl: Duration::from_hours(1),
    max_stale: Duration::from_hours(1),
    bytes: 64 * 1024 * 1024,
};

const DEFAULT_PATIENCE: Patience = Patience {
    connect: Duration::from_secs(3),
    request: Duration::from_secs(30),
    breaker: Duration::from_secs(1),
};

/// The specification's default of `CONFIG_POLL_INTERVAL`, and two and a half of the service's
/// heartbeats.
const DEFAULT_FEED: FeedOptions =
    FeedOptions { poll_interval: Duration::from_mins(1), longest_silence: Duration::from_secs(40) };

/// Settings of a client that is not there yet; see [`ConfigDatabaseClient::builder`].
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    base_url: String,
    api_key: Option<Secret>,
    cache: CacheOptions,
    patience: Patience,
    feed: FeedOptions,
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
    /// Starts a client of the Config Database at `base_url`, such as
    /// `http://config-service:8000/api/v1`.
    pub fn builder(base_url: impl Into<String>) -> ClientBuilder {
        let (cache, patience, feed) = (DEFAULT_CACHE, DEFAULT_PATIENCE, DEFAULT_FEED);
        ClientBuilder { base_url: base_url.into(), api_key: None, cache, patience, feed }
    }

    /// A client as the environment says: `CONFIG_SERVICE_URL`, `CONFIG_SERVICE_API_KEY`, and in
    /// seconds `CONFIG_CACHE_TTL` and `CONFIG_POLL_INTERVAL`.
    ///
    /// Fails if the address or the key is missing, or if one of the four is malformed.
    #[expect(
        clippy::disallowed_methods,
        reason = "the specification's public name for services that configure the client by these \
            variables; `cohort` itself does not call it"
    )]
    pub fn from_env() -> Result<Self, ClientError> {
        let mut builder = Self::builder(required(
            "CONFIG_SERVICE_URL",
            std::env::var("CONFIG_SERVICE_URL").ok(),
        )?);
        builder = builder.api_key(required(
            "CONFIG_SERVICE_API_KEY",
            std::env::var("CONFIG_SERVICE_API_KEY").ok(),
        )?);
        if let Ok(seconds) = std::env::var("CONFIG_CACHE_TTL") {
            builder = builder.cache_ttl(read_seconds("CONFIG_CACHE_TTL", &seconds)?);
        }
        if let Ok(seconds) = std::env::var("CONFIG_POLL_INTERVAL") {
            builder = builder.poll_interval(read_seconds("CONFIG_POLL_INTERVAL", &seconds)?);
        }
        builder.build()
    }
}

fn required(name: &'static str, value: Option<String>) -> Result<String, ClientError> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| ClientError::Setting { name, detail: "not set".into() })
}

fn read_seconds(name: &'static str, seconds: &str) -> Result<Duration, ClientError> {
    seconds.parse().map(Duration::from_secs).map_err(|_not_a_number| ClientError::Setting {
        name,
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

    /// How long a document is served from the cache; zero switches the cache off. The default is an
    /// hour.
    #[must_use]
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.cache.ttl = ttl;
        self
    }

    /// How much longer than the TTL a document is given out, marked as stale, while the Config
    /// Database does not answer; zero: not at all. The default is an hour.
    #[must_use]
    pub fn max_stale(mut self, longer: Duration) -> Self {
        self.cache.max_stale = longer;
        self
    }

    /// The most bytes that cached documents take, about; the ones used least go. The default is 64
    /// MiB.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache.bytes = bytes;
        self
    }

    /// How long to wait for a connection. The default is 3 seconds.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.patience.connect = timeout;
        self
    }

    /// How long one attempt may take from the connection to the end of the answer. The default is
    /// 30 seconds.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.patience.request = timeout;
        self
    }

    /// For how long nothing is sent when half of the last requests have failed; it doubles up to 5
    /// seconds while they still fail. The default is a second.
    #[must_use]
    pub fn breaker_wait(mut self, wait: Duration) -> Self {
        self.patience.breaker = wait;
        self
    }

    /// How often [`ConfigDatabaseClient::follow_changes`] polls where events cannot be pushed. The
    /// default is a minute.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.feed.poll_interval = interval;
        self
    }

    /// After how much silence [`ConfigDatabaseClient::follow_changes`] takes a connection for dead.
    /// The default is 40 seconds: the Config Database sends a heartbeat every 15.
    #[must_use]
    pub fn longest_silence(mut self, silence: Duration) -> Self {
        self.feed.longest_silence = silence;
        self
    }

    /// The client. Opens no connection yet; fails if address or key cannot be any.
    pub fn build(self) -> Result<ConfigDatabaseClient, ClientError> {
        let base_url = read_address(&self.base_url)?;
        let key = self.api_key.as_ref().map(read_key).transpose()?;
        let transport = Transport::new(base_url, key, self.patience)?;
        Ok(ConfigDatabaseClient {
            transport,
            cache: Arc::new(DocumentCache::new(self.cache)),
            feed: self.feed,
        })
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
    let mut url =
        Url::parse(given).map_err(|_no_url| ClientError::Address { given: given.into() })?;
    if url.password().is_some() || !url.username().is_empty() {
        return Err(ClientError::Address { given: String::new() });
    }
    if !matches!(url.scheme(), "http" | "https")
        || url.query().is_some()
        || url.fragment().is_some()
    {
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
        for good in [
            "http://config-service:8000/api/v1",
            "https://example.com/api/v1/",
            "http://[::1]:8000",
        ] {
            assert!(read_address(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "config-service:8000",
            "ftp://x/api/v1",
            "http://x/api/v1?a=b",
            "http://u:p@x/api/v1",
        ] {
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
    fn a_variable_that_is_no_whole_number_of_seconds_is_named() {
        assert_eq!(read_seconds("CONFIG_CACHE_TTL", "3600").expect("valid"), DEFAULT_CACHE.ttl);
        let error = read_seconds("CONFIG_POLL_INTERVAL", "1m").expect_err("no number");
        assert!(error.to_string().starts_with("CONFIG_POLL_INTERVAL: "), "{error}");
    }
}
