//! Preferences as they are stated.

use std::sync::Arc;

use cohort_preferences::{Preference, StatedGroup, Zone};
use serde_json::Value;

use crate::error::{ConfigServiceError, Result};

/// A valid preference: what it means, and the JSON in which it was stated.
#[derive(Debug, Clone)]
pub(crate) struct Stated {
    /// What it means.
    pub(crate) preference: Preference,
    /// As it was stated, in compact form.
    pub(crate) json: Arc<str>,
}

/// A preference that may be written: all that is kept of it.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    /// As it was stated, in compact form.
    pub(crate) json: Arc<str>,
    /// The version of the feature's definition that it passed, 0 where none is registered (W7).
    pub(crate) rules: u64,
    /// The group that it states; `None` if it is switched off.
    group: Option<StatedGroup>,
}

impl Stated {
    /// Reads a preference that stands at `pointer` of what was sent (W1).
    pub(crate) fn read(value: &Value, pointer: &str) -> Result<Self> {
        Ok(Self::new(value, Preference::from_json(value, pointer)?))
    }

    /// Returns a preference that was read from `value`.
    pub(crate) fn new(value: &Value, preference: Preference) -> Self {
        Self { preference, json: value.to_string().into() }
    }

    /// Reads a preference that is stored already.
    pub(crate) fn stored(json: &str) -> Result<Self> {
        let unreadable =
            |error: String| ConfigServiceError::Unreadable(format!("a preference: {error}"));
        let value: Value =
            serde_json::from_str(json).map_err(|error| unreadable(error.to_string()))?;
        let preference =
            Preference::from_json(&value, "").map_err(|invalid| unreadable(invalid.to_string()))?;
        Ok(Self { preference, json: json.into() })
    }

    /// Admits it under this version of the feature's definition.
    pub(crate) fn admitted(self, rules: u64) -> Admitted {
        let group = self.preference.is_enabled().then(|| self.preference.stated_group(None));
        Admitted { json: self.json, rules, group }
    }
}

impl Admitted {
    /// Returns the group in which it puts a user of this zone, or `None` if it is switched off.
    pub(crate) fn group(&self, timezone: Option<&Zone>) -> Option<StatedGroup> {
        Some(self.group.clone()?.or_in(timezone))
    }
}

/// Returns whether two texts of preferences say the same; the order of their fields does not count.
pub(crate) fn say_the_same(one: &str, other: &str) -> bool {
    let value = |text| serde_json::from_str::<Value>(text);
    one == other || value(one).is_ok_and(|one| value(other).is_ok_and(|other| one == other))
}
