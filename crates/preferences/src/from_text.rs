//! Conversions, so that a function may take a value as text or already of its kind.
//!
//! ```
//! use cohort_preferences::{Frequency, FrequencyError};
//!
//! fn name(frequency: impl TryInto<Frequency, Error: Into<FrequencyError>>) -> String {
//!     frequency.try_into().map_or_else(
//!         |error| error.into().to_string(),
//!         |frequency| frequency.to_string(),
//!     )
//! }
//!
//! assert_eq!(name("daily"), "daily");
//! assert_eq!(name(Frequency::Daily), "daily");
//! ```

use std::convert::Infallible;

use crate::cron::{Cron, CronError};
use crate::frequency::{Frequency, FrequencyError};
use crate::id::{ConfigKey, FeatureType, IdError, JobId, PurposeId, TenantId};
use crate::labels::{LabelError, LabelFilter, LabelName};
use crate::nominal::{NominalError, NominalTime};
use crate::time_key::{TimeKey, TimeKeyError};
use crate::time_of_day::{TimeOfDay, TimeOfDayError};
use crate::zone::{Zone, ZoneError};

/// For a type that is read by `FromStr`: the same by `TryFrom`, and itself by reference.
macro_rules! from_text {
    ($($kind:ty, $error:ty;)*) => {$(
        impl TryFrom<&str> for $kind {
            type Error = $error;

            fn try_from(text: &str) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl TryFrom<&String> for $kind {
            type Error = $error;

            fn try_from(text: &String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<&$kind> for $kind {
            fn from(value: &$kind) -> Self {
                value.clone()
            }
        }
    )*};
}

/// The error of a conversion that cannot fail, as the error of one that can.
macro_rules! from_never {
    ($($error:ty)*) => {$(
        impl From<Infallible> for $error {
            fn from(never: Infallible) -> Self {
                match never {}
            }
        }
    )*};
}

from_text! {
    ConfigKey, IdError;
    Cron, CronError;
    FeatureType, IdError;
    Frequency, FrequencyError;
    JobId, IdError;
    LabelFilter, LabelError;
    LabelName, LabelError;
    NominalTime, NominalError;
    PurposeId, IdError;
    TenantId, IdError;
    TimeKey, TimeKeyError;
    TimeOfDay, TimeOfDayError;
    Zone, ZoneError;
}

from_never! {
    CronError FrequencyError IdError LabelError NominalError TimeKeyError TimeOfDayError ZoneError
}
