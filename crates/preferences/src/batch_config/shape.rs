//! The three forms that a batch config may have.

use serde_json::Value;

/// Which of the three forms a batch config has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One job as an object.
    OneJob,
    /// A list of jobs.
    Jobs,
    /// An object with `batch_processing_jobs` and `purposes`.
    Whole,
}

impl Shape {
    pub(crate) fn of(value: &Value) -> Self {
        let is_whole = |fields: &serde_json::Map<String, Value>| {
            fields.contains_key("batch_processing_jobs") || fields.contains_key("purposes")
        };
        match value {
            Value::Array(_) => Self::Jobs,
            Value::Object(fields) if is_whole(fields) => Self::Whole,
            _ => Self::OneJob,
        }
    }
}
