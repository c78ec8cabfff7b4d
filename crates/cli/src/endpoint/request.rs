//! A request as it leaves: its path, its key and its body.

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::failure::wrong_input;

/// Returns a path with those of these query parameters that have a value, percent-encoded.
pub(crate) fn query(
    path: &str,
    parameters: impl IntoIterator<Item = (&'static str, Option<String>)>,
) -> String {
    let encoded = parameters.into_iter().filter_map(|(name, value)| {
        let value = value?;
        Some(format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)))
    });
    format!("{path}?{}", encoded.collect::<Vec<_>>().join("&"))
}

/// Returns a text as one segment of a path.
pub(crate) fn segment(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

/// Returns the header that presents a key.
pub(super) fn bearer(key: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.trim()))
        .map_err(|_not_printable| wrong_input("the key holds characters that no key has"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Returns a request whose body has this media type.
pub(super) fn request(
    method: Method,
    uri: String,
    key: Option<&HeaderValue>,
    media_type: &'static str,
    body: Body,
) -> anyhow::Result<Request<Body>> {
    let mut request = Request::builder().method(method).uri(&uri).header(CONTENT_TYPE, media_type);
    if let Some(key) = key {
        request = request.header(AUTHORIZATION, key);
    }
    request
        .body(body)
        .map_err(|error| wrong_input(format!("{uri} is no address of a service: {error}")))
}
