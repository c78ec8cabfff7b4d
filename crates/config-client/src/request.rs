//! One request to the Config Database, which can be sent more than once.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, HeaderName, HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, Url};
use serde::Serialize;

use crate::error::ClientError;
use crate::key::ApiKey;

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request that can be sent more than once.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// The path below the base with its placeholders, such as `/tenants/{tenant_id}/history`: for
    /// spans, which must not hold names of tenants.
    pub(crate) route: &'static str,
    /// The route with its placeholders filled.
    path: String,
    query: Vec<(&'static str, String)>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Option<Vec<u8>>,
    /// The most time for one attempt; `None`: the client's.
    pub(crate) timeout: Option<Duration>,
    /// The key to present; `None`: the client's.
    pub(crate) key: Option<ApiKey>,
}

impl Request {
    /// A request to a route below the base. Each placeholder is filled by [`Request::at`].
    pub(crate) fn new(method: Method, route: &'static str) -> Self {
        Self {
            method,
            route,
            path: route.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            timeout: None,
            key: None,
        }
    }

    /// Fills a placeholder of the route, such as `tenant_id`, with a name.
    ///
    /// `.` and `..` are an error: every HTTP client resolves them, also percent-encoded.
    pub(crate) fn at(mut self, placeholder: &str, name: &str) -> Result<Self, ClientError> {
        if matches!(name, "." | "..") {
            return Err(ClientError::Unaddressable { name: name.to_owned() });
        }
        let segment = utf8_percent_encode(name, SEGMENT).to_string();
        self.path = self.path.replace(&format!("{{{placeholder}}}"), &segment);
        Ok(self)
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body)
            .expect("requests are made of texts, numbers, lists and objects with text keys");
        self.body = Some(body);
        self
    }

    /// Asks for the document only if it is another than this one. An `ETag` that no header can hold
    /// is not sent.
    pub(crate) fn if_none_match(self, etag: Option<&str>) -> Self {
        self.header(IF_NONE_MATCH, etag)
    }

    /// Asks for server-sent events behind the one of this id.
    pub(crate) fn events(self, last_event_id: Option<&str>) -> Self {
        self.header(ACCEPT, Some("text/event-stream"))
            .header(HeaderName::from_static("last-event-id"), last_event_id)
    }

    fn header(mut self, name: HeaderName, value: Option<&str>) -> Self {
        let value = value.and_then(|value| HeaderValue::from_str(value).ok());
        self.headers.extend(value.map(|value| (name, value)));
        self
    }

    /// The most time from the connection to the end of the response, in place of the client's.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Presents this key in place of the client's.
    pub(crate) fn presenting(mut self, key: ApiKey) -> Self {
        self.key = Some(key);
        self
    }

    /// The request in an error's words, such as `GET /tenants/user123/history`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Where it goes, below this base.
    pub(crate) fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), self.path));
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_encoded_into_its_place_and_a_dot_is_none() {
        let request = || Request::new(Method::GET, "/tenants/{tenant_id}/history");
        let base = Url::parse("http://x/api/v1/").expect("an address");
        let url = request().at("tenant_id", "a/b ü?").expect("a name").url(&base);
        assert_eq!(url.as_str(), "http://x/api/v1/tenants/a%2Fb%20%C3%BC%3F/history");
        for dots in [".", ".."] {
            request().at("tenant_id", dots).expect_err("resolved by every client");
        }
    }
}
