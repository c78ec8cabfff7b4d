//! How much one request may carry (W5).

use cohort_preferences::{Invalid, TenantId};
use serde_json::Value;

/// Objects and lists that may stand in each other; what reads JSON gives up at 128.
const DEEPEST: usize = 64;

/// The most bytes of one preference as it is stored.
const LARGEST_PREFERENCE: usize = 16 << 10;

/// The most features of one document.
const MOST_FEATURES: usize = 1_000;

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

/// Returns the way, last step first, to the first value that stands deeper than so many objects and
/// lists.
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
    fn preferences_and_documents_are_bounded() {
        assert!(check_preference(&"x".repeat(LARGEST_PREFERENCE), "").is_ok());
        assert_eq!(
            check_preference(&"x".repeat(LARGEST_PREFERENCE + 1), "/preference")
                .expect_err("long")
                .0[0]
                .pointer,
            "/preference"
        );
        let document = |features: usize| {
            let features = (0..features).map(|index| (index.to_string(), json!({})));
            json!({"config_value": features.collect::<serde_json::Map<_, _>>()})
        };
        assert!(check_document(&document(MOST_FEATURES)).is_ok());
        assert_eq!(
            check_document(&document(MOST_FEATURES + 1)).expect_err("many").0[0].pointer,
            "/config_value"
        );
    }
}
