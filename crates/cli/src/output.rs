//! How results are printed: as lines of JSON for programs, as text and tables for people.

use std::io::{self, Write};

use serde_json::Value;

/// How a command prints its results.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Output {
    /// Prints one result: as a line of JSON, or as this text.
    pub(crate) fn print(self, result: &Value, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        self.print_list(std::slice::from_ref(result), text)
    }

    /// Prints a list: each item as a line of JSON, or all of them as this text, if it is not empty.
    pub(crate) fn print_list(
        self,
        items: &[Value],
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        if self == Self::Json {
            return items.iter().try_for_each(print_line);
        }
        match text().as_str() {
            "" => Ok(()),
            text => Ok(writeln!(io::stdout(), "{text}")?),
        }
    }
}

/// Prints a line of JSON.
pub(crate) fn print_line(value: &Value) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{value}")?)
}

/// Returns a value as a table shows it: texts without quotes, nothing as "-".
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns the items of the list that an answer holds under this name.
pub(crate) fn items<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map(Vec::as_slice).unwrap_or_default()
}
