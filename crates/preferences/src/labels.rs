//! Labels, such as `plan:free`, by which tenants are told apart.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::invalid::Invalid;
use crate::reader::Reader;

/// The most labels of one tenant (W5).
const MOST_LABELS: usize = 32;

/// The most bytes of a label's name.
const LONGEST_NAME: usize = 63;

/// The most bytes of a label's value.
const LONGEST_VALUE: usize = 200;

/// A tenant's labels, a value by name: at most 32. A name is 1 to 63 bytes of `a-z`, `0-9`, `_`,
/// `-` and `.`; a value is up to 200 bytes without control characters, and may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Labels(BTreeMap<String, String>);

/// The name of a label: 1 to 63 bytes of `a-z`, `0-9`, `_`, `-` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct LabelName(String);

/// One label, as `name:value`: chooses the tenants that carry it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelFilter {
    name: String,
    value: String,
}

/// Why a text is not a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// The name is empty, too long, or holds a character that names do not.
    #[error("expected a label's name as 1 to 63 of a-z, 0-9, '_', '-' and '.'")]
    Name,
    /// The value is too long or holds a control character.
    #[error("expected a label's value as up to 200 bytes without control characters")]
    Value,
    /// A filter without the colon between name and value.
    #[error("expected a label as name:value")]
    NoColon,
}

impl Labels {
    /// Reads the object of labels that stands at `pointer` of what was sent; names every label that
    /// is wrong (W1).
    pub fn from_json(value: &Value, pointer: &str) -> Result<Self, Invalid> {
        let mut reader = Reader::of(value, pointer, "labels as an object of texts")?;
        let stated = reader.fields;
        if stated.len() > MOST_LABELS {
            reader.errors.add(
                pointer.into(),
                format!("expected at most {MOST_LABELS} labels, got {}", stated.len()),
            );
        }
        let mut labels = BTreeMap::new();
        for name in stated.keys().take(MOST_LABELS) {
            reader.check(name, check_name(name));
            if let Some(value) =
                reader.typed(name, "a text", |value| value.as_str().map(str::to_owned))
            {
                reader.check(name, check_value(&value));
                labels.insert(name.clone(), value);
            }
        }
        reader.errors.into_result(Self(labels))
    }

    /// The value of a label; `None` if the tenant does not carry it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether the tenant carries this label with this value.
    pub fn carry(&self, label: &LabelFilter) -> bool {
        self.get(&label.name) == Some(&label.value)
    }

    /// Name and value of each label, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(&Value::deserialize(deserializer)?, "").map_err(serde::de::Error::custom)
    }
}

impl LabelName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LabelName {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for LabelName {
    type Error = LabelError;

    fn try_from(text: String) -> Result<Self, LabelError> {
        check_name(&text)?;
        Ok(Self(text))
    }
}

fn check_name(name: &str) -> Result<(), LabelError> {
    let is_allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err(LabelError::Name)
    }
}

fn check_value(value: &str) -> Result<(), LabelError> {
    if value.len() <= LONGEST_VALUE && !value.contains(char::is_control) {
        Ok(())
    } else {
        Err(LabelError::Value)
    }
}

impl LabelFilter {
    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value that is asked for.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl FromStr for LabelFilter {
    type Err = LabelError;

    /// Reads `name:value`; a name has no colon, so that the first one parts the two.
    fn from_str(text: &str) -> Result<Self, LabelError> {
        let (name, value) = text.split_once(':').ok_or(LabelError::NoColon)?;
        check_name(name)?;
        check_value(value)?;
        Ok(Self { name: name.into(), value: value.into() })
    }
}

impl fmt::Display for LabelFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(value: &Value) -> Vec<String> {
        match Labels::from_json(value, "/labels") {
            Ok(_) => Vec::new(),
            Err(Invalid(fields)) => fields.into_iter().map(|field| field.pointer).collect(),
        }
    }

    #[test]
    fn each_wrong_label_is_named_by_its_pointer() {
        assert_eq!(
            pointers(&json!({"plan": "free", "a.b-c_9": "", "city": "Köln: süd"})),
            Vec::<String>::new()
        );
        assert_eq!(pointers(&json!({"Plan": "free"})), ["/labels/Plan"]);
        assert_eq!(pointers(&json!({"": "x"})), ["/labels/"]);
        assert_eq!(pointers(&json!({"a/b": "x"})), ["/labels/a~1b"]);
        assert_eq!(
            pointers(&json!({"plan": 1, "tier": null, "city": "a\nb"})),
            ["/labels/plan", "/labels/tier", "/labels/city"]
        );
        assert_eq!(pointers(&json!(["plan"])), ["/labels"]);
    }

    #[test]
    fn labels_are_bounded_in_number_and_length() {
        let many = |count: usize| {
            Value::Object((0..count).map(|i| (format!("l{i}"), json!("x"))).collect())
        };
        assert_eq!(pointers(&many(32)), Vec::<String>::new());
        assert_eq!(pointers(&many(33)), ["/labels"]);
        assert!(pointers(&json!({"a".repeat(63): "x".repeat(200)})).is_empty());
        assert_eq!(pointers(&json!({"a".repeat(64): "x"})).len(), 1);
        assert_eq!(pointers(&json!({"a": "ü".repeat(101)})).len(), 1);
    }

    #[test]
    fn a_filter_chooses_who_carries_the_label_with_this_value() {
        let labels = Labels::from_json(&json!({"plan": "free", "url": "a:b"}), "").expect("valid");
        let carried = |text: &str| text.parse::<LabelFilter>().map(|filter| labels.carry(&filter));
        assert_eq!(carried("plan:free"), Ok(true));
        assert_eq!(carried("url:a:b"), Ok(true));
        assert_eq!(carried("plan:pro"), Ok(false));
        assert_eq!(carried("plan:"), Ok(false));
        assert_eq!(carried("plan"), Err(LabelError::NoColon));
        assert_eq!(carried(":free"), Err(LabelError::Name));
        assert_eq!(carried("plan:a\tb"), Err(LabelError::Value));
    }
}
