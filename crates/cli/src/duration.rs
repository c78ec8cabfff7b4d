//! Durations on the command line.

use std::str::FromStr;

use cohort_preferences::{InvalidDuration, parse_duration};

/// A duration that is passed on as it was written, such as `90d`, once it is known to be one.
#[derive(Debug, Clone)]
pub(crate) struct DurationText(String);

impl DurationText {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DurationText {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        parse_duration(text).map(|_duration| Self(text.into()))
    }
}
