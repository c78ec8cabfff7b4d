//! Reads what stands in the columns of both databases. It was valid when it was stored, so that
//! what cannot be read is a fault of the database.

use cohort_preferences::{
    FeatureDefaults, FeatureDefinition, FeatureType, Labels, StatedGroup, TenantId, Zone,
};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::{ConfigServiceError, Result};

/// How queries name the zone of tenants that have none: the text of an `OwnZone` without a zone.
pub(super) const NO_ZONE: &str = "-";

/// Returns the instant of so many microseconds.
pub(super) fn instant(micros: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(micros)
        .map_err(|_out_of_range| ConfigServiceError::Unreadable(format!("the instant {micros}")))
}

/// Returns the feature of this name.
pub(super) fn feature_type(text: &str) -> Result<FeatureType> {
    text.parse().map_err(|_malformed| unreadable("feature", text))
}

/// Returns the tenant id of this text.
pub(super) fn tenant_id(text: &str) -> Result<TenantId> {
    text.parse().map_err(|_malformed| unreadable("tenant", text))
}

/// Returns the name, or for a tenant that was erased since what stands for it: its number.
pub(super) fn name_or_number(name: Option<String>, number: i64) -> String {
    name.unwrap_or_else(|| format!("erased:{number}"))
}

/// Returns the zone of this name.
pub(super) fn zone(name: &str) -> Result<Zone> {
    name.parse().map_err(|_no_such_zone| unreadable("zone", name))
}

/// Returns the labels of a tenant's rows.
pub(super) fn labels(rows: Map<String, Value>) -> Result<Labels> {
    Labels::from_json(&rows.into(), "")
        .map_err(|invalid| unreadable("labels", &invalid.to_string()))
}

/// Returns the definition of a feature, from its text.
pub(super) fn definition(text: &str) -> Result<FeatureDefinition> {
    let value =
        serde_json::from_str(text).map_err(|error| unreadable("definition", &error.to_string()))?;
    FeatureDefinition::from_json(&value)
        .map_err(|invalid| unreadable("definition", &invalid.to_string()))
}

/// Returns the defaults that a feature's definition gives from an instant on.
pub(super) fn defaults(since: i64, text: &str) -> Result<FeatureDefaults> {
    Ok(FeatureDefaults {
        since: instant(since)?,
        default_preferences: definition(text)?.default_preferences,
    })
}

/// Returns the group of these three texts.
pub(super) fn group(frequency: &str, time_key: &str, timezone: &str) -> Result<StatedGroup> {
    StatedGroup::parse(frequency, time_key, timezone)
        .map_err(|error| unreadable("group", &error.to_string()))
}

/// Returns the error for stored text that should have been readable.
pub(super) fn unreadable(kind: &str, text: &str) -> ConfigServiceError {
    ConfigServiceError::Unreadable(format!("the {kind} {text:?}"))
}
