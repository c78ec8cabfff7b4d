//! `Retry-After`: how long a service asks to be left alone (RFC 9110, section 10.2.3).

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// Returns the wait that a response asks for; `None` if it asks for none, or in no form that the
/// RFC knows.
///
/// An instant counts from the response's own `Date`, so that two clocks that differ do no harm.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let asked = text(headers, RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(asked).ok()?;
    let now = httpdate::parse_http_date(text(headers, DATE)?).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(retry_after_text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after_text.parse().expect("a header"));
        headers.insert(DATE, "Fri, 27 Nov 2026 09:00:00 GMT".parse().expect("a header"));
        retry_after(&headers)
    }

    #[test]
    fn a_wait_is_asked_for_in_seconds_or_until_an_instant() {
        assert_eq!(asked("120"), Some(Duration::from_mins(2)));
        assert_eq!(asked("Fri, 27 Nov 2026 09:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(asked("Fri, 27 Nov 2026 08:59:00 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("-1"), None);
    }
}
