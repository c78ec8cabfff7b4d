//! API keys: secrets that never show in a log (W4).

use std::fmt;

use reqwest::header::HeaderValue;
use serde::Deserialize;

/// A secret that opens the Config Database. Its `Debug` form is masked.
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

impl ApiKey {
    /// `None` if the text cannot be sent as a bearer token, so that it can be no key.
    pub fn new(secret: &str) -> Option<Self> {
        let secret = secret.trim();
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut header = HeaderValue::try_from(format!("Bearer {secret}")).ok()?;
        header.set_sensitive(true);
        Some(Self(header))
    }

    /// The value of the `Authorization` header, marked as sensitive.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(masked)")
    }
}

/// What the Config Database says about a key that somebody presented.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KeyInfo {
    /// Who holds it.
    pub name: String,
    /// What it may do, all together: `read`, `support`, `write`, `agent`, `admin` (W4).
    pub scopes: Vec<String>,
}
