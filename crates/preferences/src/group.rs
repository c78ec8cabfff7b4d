//! Groups: users with equal wishes, before and after defaults (T12).

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::day::{Day, MonthDay, Weekdays};
use crate::document::Preference;
use crate::feature::FeatureDefaults;
use crate::frequency::Frequency;
use crate::id::FeatureType;
use crate::time_key::{Parity, TimeKey};
use crate::time_of_day::TimeOfDay;
use crate::zone::Zone;

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

/// Why three texts are no group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The frequency is none.
    #[error("frequency: {0}")]
    Frequency(#[from] crate::FrequencyError),
    /// The time key is none.
    #[error("time_key: {0}")]
    TimeKey(#[from] crate::TimeKeyError),
    /// The zone is none.
    #[error("timezone: {0}")]
    Zone(#[from] crate::ZoneError),
    /// The time key belongs to another frequency.
    #[error("time_key: {time_key} does not fit the frequency {frequency}")]
    Mismatch {
        /// The frequency given, `-` if none.
        frequency: String,
        /// The time key given.
        time_key: TimeKey,
    },
}

/// A stated group that no default completes; the job must name one (T12).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "users state no {field} and default_preferences give none: add {field} to default_preferences"
)]
pub struct UnresolvedGroup {
    /// The preference field that is missing.
    pub field: &'static str,
}

/// A stated group with its size, as `GET …/frequency-groups` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// What its users stated.
    #[serde(flatten)]
    pub group: StatedGroup,
    /// How many users it has now.
    pub count: u64,
    /// When its first user joined: it is planned from here on (F1).
    pub since: Timestamp,
    /// When its last user left; `None` while it has users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_since: Option<Timestamp>,
}

/// The stated groups of a feature, or a page of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupList {
    /// Of which feature.
    pub feature_type: FeatureType,
    /// The groups that have users, and those whose last user left not long ago.
    pub groups: Vec<GroupSummary>,
    /// The feature's own defaults, oldest first: those of now, and those that groups listed here
    /// may still be planned by. Before the first there were none (T12).
    #[serde(default)]
    pub defaults: Vec<FeatureDefaults>,
    /// The feed's position when they were read: later changes are not in the list.
    pub position: String,
    /// Every change stamped at or before this instant is in the list.
    pub complete_until: Timestamp,
    /// The cursor of the next page; `None` on the last. A list in pages is as current as its first
    /// page says.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

impl StatedGroup {
    /// `Err` if the time key belongs to another frequency.
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

    /// The preference group that these defaults make of it, the last resort behind them: 09:00,
    /// monday or 1, UTC (T12).
    pub fn resolve(&self, defaults: &Defaults) -> Result<PreferenceGroup, UnresolvedGroup> {
        self.fill(defaults, Some(&LAST_RESORT))
    }

    /// The preference group that these defaults make of it, if they leave nothing to others.
    pub fn resolve_by(&self, defaults: &Defaults) -> Result<PreferenceGroup, UnresolvedGroup> {
        self.fill(defaults, None)
    }

    fn fill(
        &self,
        defaults: &Defaults,
        last: Option<&LastResort>,
    ) -> Result<PreferenceGroup, UnresolvedGroup> {
        let missing = |field| UnresolvedGroup { field };
        let frequency = self
            .frequency
            .or_else(|| defaults.first(|layer| layer.frequency))
            .ok_or(missing("frequency"))?;
        let (day, time, parity) = self.parts();
        let time = || {
            let time = time
                .or_else(|| defaults.first(|layer| layer.preferred_time))
                .or(last.map(|last| last.time));
            time.ok_or(missing("preferred_time"))
        };
        let day = |last: Option<Day>| {
            let day = day
                .or_else(|| {
                    defaults.first_for(frequency, |layer| layer.preferred_day_for(Some(frequency)))
                })
                .or(last);
            day.ok_or(missing("preferred_day"))
        };
        let parity = || {
            let parity = parity.or_else(|| {
                defaults.first_for(frequency, |layer| layer.anchor_date.map(Parity::of_week))
            });
            parity.or(last.map(|last| last.parity)).ok_or(missing("anchor_date"))
        };
        let weekday = last.map(|last| last.weekday);
        let time_key = match (frequency, self.time_key) {
            (Frequency::Hourly, TimeKey::Unstated) => TimeKey::Minute(time()?.minute()),
            (Frequency::Hourly, TimeKey::Time(time)) => TimeKey::Minute(time.minute()),
            (
                Frequency::Hourly | Frequency::Cron,
                stated @ (TimeKey::Minute(_) | TimeKey::Cron(_)),
            ) => stated,
            (Frequency::Daily, _) => TimeKey::Time(time()?),
            (Frequency::Weekly, _) => {
                TimeKey::Day { day: Some(day(weekday)?), time: Some(time()?) }
            }
            (Frequency::Biweekly, _) => TimeKey::Alternating {
                day: Some(day(weekday)?),
                time: Some(time()?),
                parity: Some(parity()?),
            },
            (Frequency::Monthly, _) => TimeKey::Day {
                day: Some(day(last.map(|last| last.month_day))?),
                time: Some(time()?),
            },
            (Frequency::Cron | Frequency::Hourly, _) => defaults
                .first_for(frequency, |layer| layer.cron)
                .map(TimeKey::Cron)
                .ok_or(missing("cron"))?,
        };
        let timezone =
            self.timezone.clone().or_else(|| defaults.first(|layer| layer.timezone.clone()));
        let timezone =
            timezone.or(last.map(|last| last.timezone.clone())).ok_or(missing("timezone"))?;
        Ok(PreferenceGroup { frequency, time_key, timezone })
    }

    fn parts(&self) -> (Option<Day>, Option<TimeOfDay>, Option<Parity>) {
        match self.time_key {
            TimeKey::Time(time) => (None, Some(time), None),
            TimeKey::Day { day, time } => (day, time, None),
            TimeKey::Alternating { day, time, parity } => (day, time, parity),
            TimeKey::Unstated | TimeKey::Minute(_) | TimeKey::Cron(_) => (None, None, None),
        }
    }
}

fn stated(text: &str) -> Option<&str> {
    (text != "-").then_some(text)
}

/// What holds where nobody states anything (T12).
struct LastResort {
    time: TimeOfDay,
    weekday: Day,
    month_day: Day,
    parity: Parity,
    timezone: Zone,
}

const LAST_RESORT: LastResort = LastResort {
    time: TimeOfDay::NINE,
    weekday: Day::Weekdays(Weekdays::MONDAY),
    month_day: Day::Month(MonthDay::Number(1)),
    parity: Parity::Even,
    timezone: Zone::UTC,
};

/// Default preferences, strongest first: the feature's, then the job's. The last resort stands
/// behind them (T12).
#[derive(Debug, Clone, Default)]
pub struct Defaults(pub Vec<Preference>);

impl Defaults {
    pub(crate) fn first<T>(&self, field: impl Fn(&Preference) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(field)
    }

    /// Day, anchor and cron of a default count only if its own frequency is the resulting one
    /// (T12).
    pub(crate) fn first_for<T>(
        &self,
        frequency: Frequency,
        field: impl Fn(&Preference) -> Option<T>,
    ) -> Option<T> {
        self.0.iter().filter(|layer| layer.frequency == Some(frequency)).find_map(field)
    }
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
