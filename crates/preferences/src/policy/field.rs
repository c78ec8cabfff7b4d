//! The fields of a preference that may break a policy.

use std::fmt;

use crate::preference::Preference;

/// A field of a preference that may break a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Frequency,
    PreferredTime,
    PreferredDay,
    Cron,
}

/// A limit that is broken, and by which field.
pub(super) struct Broken {
    pub(super) field: Field,
    pub(super) detail: String,
}

impl Field {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Frequency => "frequency",
            Self::PreferredTime => "preferred_time",
            Self::PreferredDay => "preferred_day",
            Self::Cron => "cron",
        }
    }

    pub(super) fn is_stated_in(self, preference: &Preference) -> bool {
        match self {
            Self::Frequency => preference.frequency.is_some(),
            Self::PreferredTime => preference.preferred_time.is_some(),
            Self::PreferredDay => preference.preferred_day.is_some(),
            Self::Cron => preference.cron.is_some(),
        }
    }

    pub(super) fn breaks(self, detail: fmt::Arguments<'_>) -> Broken {
        Broken { field: self, detail: detail.to_string() }
    }
}
