//! What a run is named after: the nominal time of an occurrence, the trigger that an operator
//! pulled, or the rerun that one asked for (D1, D13).

use std::fmt;
use std::str::FromStr;

use cohort_preferences::{NominalTime, Occurrence};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::LedgerError;

/// What precedes the identifier in a trigger's name.
const TRIGGER: &str = "trigger:";

/// What precedes the identifier in a rerun's name.
pub(crate) const RERUN: &str = "rerun:";

/// One firing of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Firing {
    /// The instant: the run has the members of that instant (M1).
    #[serde(rename = "scheduled_at")]
    pub at: Timestamp,
    /// Its name.
    pub nominal: FiringName,
}

/// The name of a firing, which is part of its users' keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FiringName {
    /// The nominal time that the calendar says.
    Nominal(NominalTime),
    /// An operator pulled a trigger; such a run counts for no period (M6).
    Trigger(Uuid),
    /// An operator had work done again; such a run counts for no period either (D13).
    Rerun(Uuid),
}

impl From<Occurrence> for Firing {
    fn from(occurrence: Occurrence) -> Self {
        Self { at: occurrence.at, nominal: FiringName::Nominal(occurrence.nominal) }
    }
}

impl Firing {
    /// The firing of a trigger that is pulled now.
    pub fn triggered(now: Timestamp) -> Self {
        Self { at: now, nominal: FiringName::Trigger(identifier(now)) }
    }

    /// A rerun that is asked for now, under this identifier or under one of its own.
    pub fn rerun(now: Timestamp, id: Option<Uuid>) -> Self {
        let id = id.unwrap_or_else(|| identifier(now));
        Self { at: now, nominal: FiringName::Rerun(id) }
    }
}

/// A new identifier, which begins with this instant.
fn identifier(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds))
}

impl FiringName {
    /// The nominal date; `None` for a trigger or a rerun, which belongs to no date (M6).
    pub fn date(&self) -> Option<Date> {
        self.nominal().map(|nominal| nominal.date())
    }

    /// Whether an operator had work done again (D13).
    pub fn is_rerun(&self) -> bool {
        matches!(self, Self::Rerun(_))
    }

    /// The nominal time; `None` for a trigger or a rerun.
    pub fn nominal(&self) -> Option<NominalTime> {
        match self {
            Self::Nominal(nominal) => Some(*nominal),
            Self::Trigger(_) | Self::Rerun(_) => None,
        }
    }
}

impl fmt::Display for FiringName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nominal(nominal) => nominal.fmt(f),
            Self::Trigger(name) => write!(f, "{TRIGGER}{name}"),
            Self::Rerun(name) => write!(f, "{RERUN}{name}"),
        }
    }
}

impl From<FiringName> for String {
    fn from(name: FiringName) -> Self {
        name.to_string()
    }
}

impl FromStr for FiringName {
    type Err = LedgerError;

    fn from_str(text: &str) -> Result<Self, LedgerError> {
        let corrupt = |error: &dyn fmt::Display| {
            LedgerError::Corrupt(format!("the name {text:?} of a firing: {error}"))
        };
        if let Some(name) = text.strip_prefix(TRIGGER) {
            name.parse().map(Self::Trigger).map_err(|error| corrupt(&error))
        } else if let Some(name) = text.strip_prefix(RERUN) {
            name.parse().map(Self::Rerun).map_err(|error| corrupt(&error))
        } else {
            text.parse().map(Self::Nominal).map_err(|error| corrupt(&error))
        }
    }
}

impl TryFrom<String> for FiringName {
    type Error = LedgerError;

    fn try_from(text: String) -> Result<Self, LedgerError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_of_name_read_back_and_only_an_occurrence_has_a_date() {
        let occurrence: FiringName = "2026-12-01T09:00".parse().expect("a nominal time");
        assert_eq!(occurrence.date(), Some("2026-12-01".parse().expect("a date")));
        let trigger =
            Firing::triggered("2026-12-01T09:00:00Z".parse().expect("an instant")).nominal;
        assert!(trigger.to_string().starts_with("trigger:01a230d5-1280-7"), "{trigger}");
        assert_eq!(
            (trigger.to_string().parse::<FiringName>().expect("a name"), trigger.date()),
            (trigger, None)
        );
        let rerun = Firing::rerun(Timestamp::UNIX_EPOCH, Some(Uuid::nil())).nominal;
        assert_eq!(rerun.to_string(), "rerun:00000000-0000-0000-0000-000000000000");
        assert_eq!(
            (rerun.to_string().parse::<FiringName>().expect("a name"), rerun.date()),
            (rerun, None)
        );
        assert!("trigger:now".parse::<FiringName>().is_err());
    }
}
