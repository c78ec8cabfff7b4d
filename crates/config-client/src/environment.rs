//! Builds a client from environment variables.

use std::time::Duration;

use crate::client::ConfigDatabaseClient;
use crate::error::ClientError;

impl ConfigDatabaseClient {
    /// Builds a client from the environment: `CONFIG_SERVICE_URL`, `CONFIG_SERVICE_API_KEY`, and in
    /// seconds `CONFIG_CACHE_TTL` and `CONFIG_POLL_INTERVAL`.
    ///
    /// Fails if the address or the key is missing, or if one of the four is malformed.
    #[expect(
        clippy::disallowed_methods,
        reason = "the specification's public name for services that configure the client by these \
            variables; `cohort` itself does not call it"
    )]
    pub fn from_env() -> Result<Self, ClientError> {
        from_variables(|name| std::env::var(name).ok())
    }
}

fn from_variables(
    value: impl Fn(&str) -> Option<String>,
) -> Result<ConfigDatabaseClient, ClientError> {
    let required = |name, expected: &str| match value(name) {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(ClientError::Setting { name, detail: format!("not set: expected {expected}") }),
    };
    let address = "an address such as http://127.0.0.1:8000/api/v1";
    let mut builder = ConfigDatabaseClient::builder(required("CONFIG_SERVICE_URL", address)?)
        .api_key(required("CONFIG_SERVICE_API_KEY", "a key of the Config Database")?);
    if let Some(seconds) = value("CONFIG_CACHE_TTL") {
        builder = builder.cache_ttl(read_seconds("CONFIG_CACHE_TTL", &seconds)?);
    }
    if let Some(seconds) = value("CONFIG_POLL_INTERVAL") {
        builder = builder.poll_interval(read_seconds("CONFIG_POLL_INTERVAL", &seconds)?);
    }
    builder.build()
}

fn read_seconds(name: &'static str, seconds: &str) -> Result<Duration, ClientError> {
    seconds.parse().map(Duration::from_secs).map_err(|_not_a_number| ClientError::Setting {
        name,
        detail: format!("expected seconds as a whole number, got {seconds:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_no_whole_number_of_seconds_is_named() {
        assert_eq!(
            read_seconds("CONFIG_CACHE_TTL", "3600").expect("valid"),
            Duration::from_hours(1)
        );
        let error = read_seconds("CONFIG_POLL_INTERVAL", "1m").expect_err("no number");
        assert!(error.to_string().starts_with("CONFIG_POLL_INTERVAL: "), "{error}");
    }
}
