//! Groups: users with equal preferences, before and after defaults (T12).
//!
//! A [`StatedGroup`] holds what its users stated; the Config Database groups by it. Defaults make a
//! [`PreferenceGroup`] of it, in which nothing is left open, and which has one schedule.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::frequency::{Frequency, FrequencyError};
use crate::parity::Parity;
use crate::preference::Preference;
use crate::time_key::{TimeKey, TimeKeyError};
use crate::zone::{Zone, ZoneError};

/// What users of one feature stated, `-` where they stated nothing. The Config Database groups by
/// it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatedGroup {
    frequency: Option<Frequency>,
    time_key: TimeKey,
    timezone: Option<Zone>,
}

/// What a stated group becomes when a job's defaults fill its `-`: one schedule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PreferenceGroup {
    frequency: Frequency,
    time_key: TimeKey,
    timezone: Zone,
}

/// Why three texts are not a group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The frequency is not one of the six.
    #[error("frequency: {0}")]
    Frequency(#[from] FrequencyError),
    /// The time key is not in canonical form.
    #[error("time_key: {0}")]
    TimeKey(#[from] TimeKeyError),
    /// The zone is not in the bundled database.
    #[error("timezone: {0}")]
    Zone(#[from] ZoneError),
    /// The time key belongs to another frequency.
    #[error("time_key: {time_key} does not fit the frequency {frequency}")]
    Mismatch {
        /// The frequency given, `-` if none.
        frequency: String,
        /// The time key given.
        time_key: TimeKey,
    },
}

impl StatedGroup {
    /// A group of these parts. Fails if the time key belongs to another frequency.
    pub fn new(
        frequency: Option<Frequency>,
        time_key: TimeKey,
        timezone: Option<Zone>,
    ) -> Result<Self, GroupError> {
        if !time_key.fits(frequency) {
            let frequency = frequency.map_or_else(|| "-".into(), |frequency| frequency.to_string());
            return Err(GroupError::Mismatch { frequency, time_key });
        }
        Ok(Self { frequency, time_key, timezone })
    }

    /// Reads the three parts as they stand in paths and tables.
    pub fn parse(frequency: &str, time_key: &str, timezone: &str) -> Result<Self, GroupError> {
        let frequency = stated(frequency).map(str::parse).transpose()?;
        let timezone = stated(timezone).map(str::parse).transpose()?;
        Self::new(frequency, time_key.parse()?, timezone)
    }

    /// The frequency stated.
    pub fn frequency(&self) -> Option<Frequency> {
        self.frequency
    }

    /// The time key stated.
    pub fn time_key(&self) -> TimeKey {
        self.time_key
    }

    /// The zone stated, or else the tenant's own.
    pub fn timezone(&self) -> Option<&Zone> {
        self.timezone.as_ref()
    }

    /// The same group, in this zone if none is stated.
    #[must_use]
    pub fn or_in(self, timezone: Option<&Zone>) -> Self {
        Self { timezone: self.timezone.or_else(|| timezone.cloned()), ..self }
    }

    /// The frequency as text, `-` if not stated.
    pub fn frequency_text(&self) -> &'static str {
        self.frequency.map_or("-", Frequency::as_str)
    }

    /// The zone as text, `-` if not stated.
    pub fn timezone_text(&self) -> &str {
        self.timezone.as_ref().map_or("-", Zone::name)
    }
}

impl Preference {
    /// The group that this preference states. A zone not stated is the tenant's own (T12).
    pub fn stated_group(&self, tenant_timezone: Option<&Zone>) -> StatedGroup {
        let timezone = self.timezone.as_ref().or(tenant_timezone).cloned();
        StatedGroup::new(self.frequency, self.time_key(), timezone)
            .expect("`time_key` gives each frequency the key of its own kind")
    }

    /// When the preference fires inside its frequency, as far as it says so.
    fn time_key(&self) -> TimeKey {
        let day = self.preferred_day_for(self.frequency);
        let time = self.preferred_time;
        match self.frequency {
            Some(Frequency::Hourly) => {
                time.map_or(TimeKey::Unstated, |time| TimeKey::Minute(time.minute()))
            }
            Some(Frequency::Daily) | None => time.map_or(TimeKey::Unstated, TimeKey::Time),
            Some(Frequency::Weekly | Frequency::Monthly) => TimeKey::Day { day, time },
            Some(Frequency::Biweekly) => {
                TimeKey::Alternating { day, time, parity: self.anchor_date.map(Parity::of_week) }
            }
            Some(Frequency::Cron) => self.cron.map_or(TimeKey::Unstated, TimeKey::Cron),
        }
    }
}

fn stated(text: &str) -> Option<&str> {
    (text != "-").then_some(text)
}

impl PreferenceGroup {
    /// Reads the three parts of a group in which everything is stated; `None` if something is not.
    pub fn parse(
        frequency: &str,
        time_key: &str,
        timezone: &str,
    ) -> Result<Option<Self>, GroupError> {
        Ok(Self::from_stated(&StatedGroup::parse(frequency, time_key, timezone)?))
    }

    /// The preference group of users who stated everything; `None` if it depends on defaults.
    pub fn from_stated(stated: &StatedGroup) -> Option<Self> {
        let frequency = stated.frequency?;
        let timezone = stated.timezone.clone()?;
        stated.time_key.is_complete().then_some(Self {
            frequency,
            time_key: stated.time_key,
            timezone,
        })
    }

    /// A group whose key is complete and of this frequency.
    pub(crate) fn of_complete(frequency: Frequency, time_key: TimeKey, timezone: Zone) -> Self {
        debug_assert!(time_key.fits(Some(frequency)) && time_key.is_complete());
        Self { frequency, time_key, timezone }
    }

    /// How often.
    pub fn frequency(&self) -> Frequency {
        self.frequency
    }

    /// When inside the frequency; every part is stated.
    pub fn time_key(&self) -> TimeKey {
        self.time_key
    }

    /// On whose clock.
    pub fn timezone(&self) -> &Zone {
        &self.timezone
    }
}

impl fmt::Display for PreferenceGroup {
    /// The group key of the specification and the zone: `weekly:monday:10:00 Europe/Berlin` (T10).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}", self.frequency, self.time_key, self.timezone)
    }
}

impl fmt::Display for StatedGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}", self.frequency_text(), self.time_key, self.timezone_text())
    }
}

#[derive(Serialize, Deserialize)]
struct GroupParts<F, K, Z> {
    frequency: F,
    time_key: K,
    timezone: Z,
}

impl Serialize for StatedGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        GroupParts {
            frequency: self.frequency_text(),
            time_key: self.time_key,
            timezone: self.timezone_text(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StatedGroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let GroupParts { frequency, time_key, timezone } =
            GroupParts::<String, String, String>::deserialize(deserializer)?;
        Self::parse(&frequency, &time_key, &timezone).map_err(serde::de::Error::custom)
    }
}

impl Serialize for PreferenceGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        GroupParts {
            frequency: self.frequency,
            time_key: self.time_key,
            timezone: self.timezone.name(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PreferenceGroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stated = StatedGroup::deserialize(deserializer)?;
        Self::from_stated(&stated)
            .ok_or_else(|| serde::de::Error::custom("a part of the group is not stated"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn group(value: Value) -> String {
        Preference::from_json(&value, "").expect("valid").stated_group(None).to_string()
    }

    #[test]
    fn equal_preferences_state_one_group() {
        let a =
            group(json!({"frequency": "weekly", "preferred_day": ["thursday", "monday", "monday"],
                "timezone": "europe/berlin"}));
        let b = group(json!({"frequency": "weekly", "preferred_day": ["monday", "thursday"],
                "timezone": "Europe/Berlin"}));
        assert_eq!(a, b);
        assert_eq!(a, "weekly:monday,thursday:- Europe/Berlin");
        assert_eq!(
            group(json!({"frequency": "biweekly", "anchor_date": "2026-01-07"})),
            "biweekly:-:-~0 -"
        );
        assert_eq!(
            group(json!({"frequency": "hourly", "preferred_time": "13:20"})),
            "hourly::20 -"
        );
        assert_eq!(group(json!({})), "-:- -");
    }
}
