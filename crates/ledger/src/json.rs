//! Values that are kept as JSON texts.

use serde::Serialize;

/// The JSON text of a value that has one.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("lists of plain values always have a JSON text")
}
