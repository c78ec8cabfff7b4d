//! How often a preference fires.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How often a preference fires (T1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Frequency {
    /// At one minute of each hour that the local clock shows (T9).
    Hourly,
    /// Once per local calendar date (T3).
    Daily,
    /// On chosen weekdays (T3).
    Weekly,
    /// On chosen weekdays of every other week (T4).
    Biweekly,
    /// On one day of each month (T5).
    Monthly,
    /// As a five-field cron expression says (T9).
    Cron,
}

/// The text is not a frequency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of hourly, daily, weekly, biweekly, monthly, cron")]
pub struct FrequencyError;

impl Frequency {
    /// Every frequency, in the order of T1.
    pub const ALL: [Self; 6] =
        [Self::Hourly, Self::Daily, Self::Weekly, Self::Biweekly, Self::Monthly, Self::Cron];

    /// The name as it stands in documents and keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Biweekly => "biweekly",
            Self::Monthly => "monthly",
            Self::Cron => "cron",
        }
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Frequency {
    type Err = FrequencyError;

    fn from_str(text: &str) -> Result<Self, FrequencyError> {
        Self::ALL.into_iter().find(|frequency| frequency.as_str() == text).ok_or(FrequencyError)
    }
}
