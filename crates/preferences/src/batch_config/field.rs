//! How single fields of a batch config are written.

use std::num::NonZeroUsize;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::preference::Preference;

/// Default preferences, in the form that users state theirs in.
pub(super) fn preference<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Preference, D::Error> {
    Preference::from_json(&Value::deserialize(deserializer)?, "").map_err(D::Error::custom)
}

/// A field that may be left out, but not be null.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A whole number of at least 1.
pub(super) fn at_least_one<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<usize>, D::Error> {
    NonZeroUsize::deserialize(deserializer).map(|number| Some(number.get()))
}
