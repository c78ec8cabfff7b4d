//! What the calls that the specification names take, and what they refuse.

use std::error::Error;
use std::str::FromStr;

use cohort_preferences::{FeatureType, Frequency, TimeKey};

/// What a call takes for a feature, a frequency or a time key: the value itself, or its text, such
/// as `"daily"` or `"monday:10:00"`.
pub trait Argument<T> {
    /// The value.
    ///
    /// # Errors
    /// If the text names no value.
    fn read(self) -> Result<T, ArgumentError>;
}

/// A text that names no feature, frequency or time key.
#[derive(Debug, thiserror::Error)]
#[error("{argument}: got {got:?}")]
pub struct ArgumentError {
    argument: &'static str,
    got: String,
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

fn parse<T: FromStr<Err: Error + Send + Sync + 'static>>(
    argument: &'static str,
    text: &str,
) -> Result<T, ArgumentError> {
    let refused =
        |source: T::Err| ArgumentError { argument, got: text.to_owned(), source: Box::new(source) };
    text.parse().map_err(refused)
}

macro_rules! argument {
    ($type:ty, $name:literal) => {
        impl Argument<$type> for $type {
            fn read(self) -> Result<$type, ArgumentError> {
                Ok(self)
            }
        }

        impl Argument<$type> for &$type {
            fn read(self) -> Result<$type, ArgumentError> {
                Ok(self.to_owned())
            }
        }

        impl Argument<$type> for &str {
            fn read(self) -> Result<$type, ArgumentError> {
                parse($name, self)
            }
        }
    };
}

argument!(FeatureType, "feature_type");
argument!(Frequency, "frequency");
argument!(TimeKey, "time_key");
