//! Groups as requests name them.

use cohort_preferences::{GroupError, StatedGroup};
use serde::Deserialize;

/// A group as requests name it: unknown fields are refused.
#[derive(Debug, Deserialize)]
#[serde(try_from = "GroupFields")]
pub(super) struct Named(pub(super) StatedGroup);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFields {
    frequency: String,
    time_key: String,
    timezone: String,
}

impl TryFrom<GroupFields> for Named {
    type Error = GroupError;

    fn try_from(fields: GroupFields) -> Result<Self, GroupError> {
        StatedGroup::parse(&fields.frequency, &fields.time_key, &fields.timezone).map(Self)
    }
}
