//! How single fields of a batch config are written.

use std::num::NonZeroUsize;

use jiff::SignedDuration;
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

/// A duration as text, such as `12h` or `1h 30m` (jiff's friendly format).
pub(super) fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SignedDuration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let duration: SignedDuration = text.parse().map_err(|_no_duration| {
        D::Error::custom(format!("expected a duration such as \"12h\", got {text:?}"))
    })?;
    if duration.is_negative() {
        return Err(D::Error::custom("expected a duration that is not negative"));
    }
    Ok(Some(duration))
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
