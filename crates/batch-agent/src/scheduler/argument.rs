//! What the calls that the specification names take, and what they refuse.

use std::error::Error;

use cohort_preferences::{FeatureType, Frequency, FrequencyError, IdError, TimeKey, TimeKeyError};

/// A text that names no feature, frequency or time key.
#[derive(Debug, thiserror::Error)]
#[error("{argument}")]
pub struct ArgumentError {
    argument: &'static str,
    source: Box<dyn Error + Send + Sync>,
}

/// No job serves the preferences for a feature.
#[derive(Debug, thiserror::Error)]
#[error(
    "no job follows the preferences for {feature_type}: add one with \"preference_based\": true \
     and this feature_type"
)]
pub struct NotServed {
    /// Which feature.
    pub feature_type: FeatureType,
}

/// No user has a preference that puts them into a group.
#[derive(Debug, thiserror::Error)]
#[error("{feature_type}: nobody has asked for {frequency}:{time_key} in any zone")]
pub struct NoGroup {
    /// For which feature.
    pub feature_type: FeatureType,
    /// How often.
    pub frequency: Frequency,
    /// When.
    pub time_key: TimeKey,
}

/// The value of an argument that may be given as text.
///
/// # Errors
/// If the text names no value.
pub(super) fn read<T, E: Error + Send + Sync + 'static>(
    argument: &'static str,
    given: impl TryInto<T, Error: Into<E>>,
) -> Result<T, ArgumentError> {
    given.try_into().map_err(|error| ArgumentError { argument, source: Box::new(error.into()) })
}

/// A feature, a frequency and a time key, as the specification's calls take them.
pub(super) fn read_group(
    feature_type: impl TryInto<FeatureType, Error: Into<IdError>>,
    frequency: impl TryInto<Frequency, Error: Into<FrequencyError>>,
    time_key: impl TryInto<TimeKey, Error: Into<TimeKeyError>>,
) -> Result<(FeatureType, Frequency, TimeKey), ArgumentError> {
    Ok((
        read("feature_type", feature_type)?,
        read("frequency", frequency)?,
        read("time_key", time_key)?,
    ))
}
