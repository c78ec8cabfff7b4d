//! What drives a job that does not follow preferences: a static schedule, and a filter over
//! tenants.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::defaults::Defaults;
use crate::group::PreferenceGroup;
use crate::id::TenantId;
use crate::invalid::Invalid;
use crate::labels::Labels;
use crate::preference::Preference;
use crate::tenants::{OwnZone, TenantFilter};
use crate::zone::Zone;

/// When a static job runs; what is not given is 09:00, monday or 1, UTC (T12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticSchedule(PreferenceGroup);

/// Whom a static job serves; what is not given does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filters {
    /// States that nothing restricts. Together with another filter it is a contradiction.
    pub all_users: bool,
    /// Only tenants that carry all of these labels.
    pub labels: Labels,
    /// Only tenants whose own zone is this one.
    #[serde(deserialize_with = "zone")]
    pub timezone: Option<Zone>,
    /// Only these tenants, at most 1,000.
    pub tenant_ids: Vec<TenantId>,
}

/// The fields of a static schedule whose names differ from those of a preference.
const RENAMED: [(&str, &str); 2] = [("day", "preferred_day"), ("time", "preferred_time")];

/// The fields of a static schedule.
const FIELDS: [&str; 6] = ["frequency", "day", "time", "timezone", "anchor_date", "cron"];

impl StaticSchedule {
    /// The one group whose occurrences the job runs on.
    pub fn group(&self) -> &PreferenceGroup {
        &self.0
    }

    fn from_json(fields: Map<String, Value>) -> Result<Self, String> {
        if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(format!(
                "unknown field `{unknown}`, expected one of {}",
                FIELDS.join(", ")
            ));
        }
        let renamed =
            fields.into_iter().map(|(name, value)| (as_preference(&name).to_owned(), value));
        let stated = Preference::from_json(&Value::Object(renamed.collect()), "")
            .map_err(|invalid| in_own_words(&invalid))?;
        let group = stated.stated_group(None).resolve(&Defaults::default());
        group.map(Self).map_err(|missing| format!("expected a field `{}`", missing.field))
    }
}

fn as_preference(name: &str) -> &str {
    RENAMED.iter().find(|(own, _)| *own == name).map_or(name, |(_, of_preference)| of_preference)
}

fn in_own_words(Invalid(errors): &Invalid) -> String {
    let own = |pointer: &str| {
        let name = pointer.trim_start_matches('/');
        RENAMED
            .iter()
            .find(|(_, of_preference)| *of_preference == name)
            .map_or(name, |(own, _)| own)
            .to_owned()
    };
    let errors = errors.iter().map(|error| format!("{}: {}", own(&error.pointer), error.detail));
    errors.collect::<Vec<_>>().join("; ")
}

impl From<PreferenceGroup> for StaticSchedule {
    /// The schedule on which such a group fires.
    fn from(group: PreferenceGroup) -> Self {
        Self(group)
    }
}

impl<'de> Deserialize<'de> for StaticSchedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Filters {
    /// The tenants that pass these filters.
    pub fn tenants(&self) -> TenantFilter {
        TenantFilter {
            labels: self.labels.clone(),
            timezones: self.timezone.clone().map(|zone| OwnZone(Some(zone))).into_iter().collect(),
            tenant_ids: self.tenant_ids.clone(),
            unstated: None,
        }
    }
}

fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Zone>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}
