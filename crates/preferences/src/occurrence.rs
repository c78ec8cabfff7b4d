//! One firing of a group.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::nominal::NominalTime;

/// One firing of a group: named by its nominal time, falling on one instant (T11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Occurrence {
    /// The instant.
    #[serde(rename = "scheduled_at")]
    pub at: Timestamp,
    /// The name.
    pub nominal: NominalTime,
}
