//! What is wrong with a document, field by field (W1).

use std::fmt;

use serde::{Deserialize, Serialize};

/// One field that is wrong: where it stands and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) to the field, from the root of what was sent.
    pub pointer: String,
    /// What was expected, and what came.
    pub detail: String,
}

/// A document that breaks the rules; holds at least one field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Invalid(pub Vec<FieldError>);

impl Invalid {
    /// A document with one wrong field.
    pub fn one(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let place = if field.pointer.is_empty() { "the document" } else { &field.pointer };
            write!(f, "{separator}{place}: {}", field.detail)?;
        }
        Ok(())
    }
}

/// Collects the errors of one document while it is read.
pub(crate) struct Errors(Vec<FieldError>);

impl Errors {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, pointer: String, detail: impl Into<String>) {
        self.0.push(FieldError { pointer, detail: detail.into() });
    }

    pub(crate) fn extend(&mut self, invalid: Invalid) {
        self.0.extend(invalid.0);
    }

    pub(crate) fn into_result<T>(self, value: T) -> Result<T, Invalid> {
        if self.0.is_empty() { Ok(value) } else { Err(Invalid(self.0)) }
    }
}

/// Appends one reference token to a JSON Pointer (RFC 6901, section 3).
pub fn child(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", token.replace('~', "~0").replace('/', "~1"))
}

/// Names a JSON value in an error: its kind, and itself where it is short.
pub(crate) fn shown(value: &serde_json::Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        return text;
    }
    match value {
        serde_json::Value::String(_) => "a long text".into(),
        serde_json::Value::Array(_) => "a list".into(),
        serde_json::Value::Object(_) => "an object".into(),
        _ => "a long number".into(),
    }
}
