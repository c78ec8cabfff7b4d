//! Limits (W5): how much one request may carry, and how often a key may ask.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use cohort_preferences::{Invalid, TenantId};
use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use serde_json::Value;

use super::ConfigService;
use crate::error::ConfigServiceError;
use crate::store::Result;

/// Objects and lists that may stand in each other; what reads JSON gives up at 128.
const DEEPEST: usize = 64;

/// The most bytes of one preference as it is stored.
const LARGEST_PREFERENCE: usize = 16 << 10;

/// The most features of one document.
const MOST_FEATURES: usize = 1_000;

/// How often each key may ask.
pub(super) struct RequestRate(Option<RateLimiter<Asker, HashMapStateStore<Asker>, DefaultClock>>);

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Asker {
    /// The key of this id.
    Key(u64),
    /// The links of one tenant.
    Links(TenantId),
}

impl RequestRate {
    /// So many requests in each second, and as many at once; without a number, any.
    pub(super) fn of(requests_per_second: Option<NonZeroU32>) -> Self {
        Self(requests_per_second.map(|most| {
            RateLimiter::new(
                Quota::per_second(most),
                HashMapStateStore::new(HashMap::new()),
                DefaultClock::default(),
            )
        }))
    }

    /// Counts a request, or refuses it and says when the next is allowed.
    fn count(&self, asker: &Asker) -> Result<()> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check_key(asker).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            ConfigServiceError::TooManyRequests {
                retry_after: Duration::from_secs(wait.as_secs() + 1),
            }
        })
    }

    /// Forgets those who have not asked for a while.
    pub(super) fn forget_quiet(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
        }
    }
}

impl ConfigService {
    /// Counts a request against the rate of who asks.
    pub(crate) fn count_request(&self, asker: &Asker) -> Result<()> {
        self.0.admission.rate.count(asker)
    }
}

/// Refuses a body whose objects and lists stand too deep in each other; names the first that does.
pub(crate) fn check_depth(body: &Value) -> Result<(), Invalid> {
    match too_deep(body, DEEPEST) {
        None => Ok(()),
        Some(path) => {
            let escaped =
                path.iter().rev().map(|token| token.replace('~', "~0").replace('/', "~1"));
            let pointer: String = escaped.flat_map(|token| ["/".to_owned(), token]).collect();
            Err(Invalid::one(
                pointer,
                format!("expected at most {DEEPEST} objects and lists in each other"),
            ))
        }
    }
}

/// The way, last step first, to the first value that stands deeper than so many objects and lists.
fn too_deep(value: &Value, left: usize) -> Option<Vec<String>> {
    let is_container = value.is_object() || value.is_array();
    if is_container && left == 0 {
        return Some(Vec::new());
    }
    let below = |token: String, value: &Value| {
        let mut path = too_deep(value, left - 1)?;
        path.push(token);
        Some(path)
    };
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| below(name.clone(), value)),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, value)| below(index.to_string(), value))
        }
        _ => None,
    }
}

/// Refuses a preference whose text is too long; `pointer` says where it stands in what was sent.
pub(crate) fn check_preference(json: &str, pointer: &str) -> Result<(), Invalid> {
    if json.len() <= LARGEST_PREFERENCE {
        return Ok(());
    }
    Err(Invalid::one(
        pointer,
        format!("expected a preference of at most {LARGEST_PREFERENCE} bytes, got {}", json.len()),
    ))
}

/// Refuses an id that no path can name: clients and proxies take `.` and `..` for the folder and
/// the one above, so that the tenant could be written and never again be reached.
pub(crate) fn check_tenant(tenant: &TenantId) -> Result<(), &'static str> {
    match tenant.as_str() {
        "." | ".." => Err("no path can name a tenant whose id is . or .."),
        _ => Ok(()),
    }
}

/// Refuses a document of too many features.
pub(crate) fn check_document(document: &Value) -> Result<(), Invalid> {
    let features =
        document.get("config_value").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    if features <= MOST_FEATURES {
        return Ok(());
    }
    Err(Invalid::one(
        "/config_value",
        format!("expected at most {MOST_FEATURES} features, got {features}"),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_refused_where_it_becomes_too_deep() {
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(check_depth(&nested(DEEPEST)), Ok(()));
        let refused = check_depth(&json!({"a/b": [0, nested(DEEPEST - 1)]})).expect_err("too deep");
        assert!(refused.0[0].pointer.starts_with("/a~1b/1/0/0"), "{refused}");
        assert_eq!(refused.0[0].pointer.matches('/').count(), DEEPEST);
    }

    #[test]
    fn a_key_that_asks_too_often_is_told_when_to_come_back_and_others_are_not() {
        let rate = RequestRate::of(NonZeroU32::new(2));
        assert!(rate.count(&Asker::Key(1)).is_ok() && rate.count(&Asker::Key(1)).is_ok());
        let refused = rate.count(&Asker::Key(1)).expect_err("the third");
        assert!(matches!(refused,
                ConfigServiceError::TooManyRequests { retry_after } if retry_after.as_secs() == 1));
        assert!(rate.count(&Asker::Key(2)).is_ok());
        assert!(rate.count(&Asker::Links("ann".parse().expect("an id"))).is_ok());
    }

    #[test]
    fn without_a_rate_nobody_asks_too_often() {
        let rate = RequestRate::of(None);
        assert!((0..100_000).all(|_| rate.count(&Asker::Key(1)).is_ok()));
    }

    #[test]
    fn preferences_and_documents_are_bounded() {
        assert!(check_preference(&"x".repeat(LARGEST_PREFERENCE), "").is_ok());
        assert_eq!(
            check_preference(&"x".repeat(LARGEST_PREFERENCE + 1), "/preference")
                .expect_err("long")
                .0[0]
                .pointer,
            "/preference"
        );
        let document = |features: usize| json!({"config_value": (0..features).map(|i| (i.to_string(), json!({}))).collect::<serde_json::Map<_, _>>()});
        assert!(check_document(&document(MOST_FEATURES)).is_ok());
        assert_eq!(
            check_document(&document(MOST_FEATURES + 1)).expect_err("many").0[0].pointer,
            "/config_value"
        );
    }
}
