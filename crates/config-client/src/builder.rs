//! Builds a client: its address and key, and how long it waits and keeps.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::address::read_address;
use crate::cache::{CacheOptions, DocumentCache};
use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;
use crate::feed_options::FeedOptions;
use crate::key::ApiKey;
use crate::transport::{Timeouts, Transport};

/// The specification's default of `CONFIG_CACHE_TTL`; for M3's `max_stale` the same.
const DEFAULT_CACHE: CacheOptions = CacheOptions {
    ttl: Duration::from_hours(1),
    max_stale: Duration::from_hours(1),
    bytes: 64 * 1024 * 1024,
};

const DEFAULT_TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(3),
    request: Duration::from_secs(30),
    breaker: Duration::from_secs(1),
};

/// The specification's default of `CONFIG_POLL_INTERVAL`, and two and a half of the service's
/// heartbeats.
const DEFAULT_FEED: FeedOptions =
    FeedOptions { poll_interval: Duration::from_mins(1), longest_silence: Duration::from_secs(40) };

/// A client under construction; see [`ConfigDatabaseClient::builder`].
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    base_url: String,
    api_key: Option<Secret>,
    cache: CacheOptions,
    timeouts: Timeouts,
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
        let (cache, timeouts, feed) = (DEFAULT_CACHE, DEFAULT_TIMEOUTS, DEFAULT_FEED);
        ClientBuilder { base_url: base_url.into(), api_key: None, cache, timeouts, feed }
    }
}

impl ClientBuilder {
    /// The key to present. Without one, only a Config Database that asks for none can be used.
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
        self.timeouts.connect = timeout;
        self
    }

    /// How long one attempt may take from the connection to the end of the answer. The default is
    /// 30 seconds.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.request = timeout;
        self
    }

    /// For how long nothing is sent when half of the last requests have failed; it doubles up to 5
    /// seconds while they still fail. The default is a second.
    #[must_use]
    pub fn breaker_wait(mut self, wait: Duration) -> Self {
        self.timeouts.breaker = wait;
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

    /// Returns the client, which opens no connection yet. Fails if the address or the key is
    /// invalid.
    pub fn build(self) -> Result<ConfigDatabaseClient, ClientError> {
        let base_url = read_address(&self.base_url)?;
        let key = self.api_key.as_ref().map(read_key).transpose()?;
        let transport = Transport::new(base_url, key, self.timeouts)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_client_nor_builder_shows_the_key() {
        let builder = ConfigDatabaseClient::builder("http://x/api/v1").api_key("hunter2");
        assert!(!format!("{builder:?}").contains("hunter2"));
        let client = builder.build().expect("valid");
        assert!(!format!("{client:?}").contains("hunter2"));
    }
}
