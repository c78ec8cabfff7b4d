//! An interval of a timeline.

use cohort_preferences::{Occurrence, Preference, PreferenceGroup};
use jiff::Timestamp;

use super::firing::firing_at;

/// An interval of time in which neither what the user had stated nor the group it comes to changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MembershipInterval {
    pub(crate) from: Timestamp,
    /// `None` for the last interval.
    pub(crate) until: Option<Timestamp>,
    pub(crate) stated: StatedPreference,
    /// The group that it comes to; an error if nothing is stated, or what is stated lacks a field
    /// that no default gives.
    pub(crate) group: Result<PreferenceGroup, NoGroup>,
}

/// What the user had stated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StatedPreference {
    /// It is no longer kept.
    Forgotten,
    /// Nothing; `is_enrolled` if the job serves such users all the same (T13).
    Nothing { is_enrolled: bool },
    /// A preference, since this instant.
    Stated { version: u64, since: Timestamp, preference: Box<Preference> },
    /// That the preference be deleted, since this instant.
    Deleted { version: u64, since: Timestamp },
    /// It does not matter: the job has a schedule of its own.
    Irrelevant,
}

/// Why what is stated comes to no group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoGroup {
    /// There is nothing that could come to one.
    NothingStated,
    /// Neither the user nor any default states this field (T12).
    Lacks(&'static str),
}

impl MembershipInterval {
    /// Whether the user is a member of the group: what fires in this interval runs for them.
    pub(crate) fn is_membership(&self) -> bool {
        self.group.is_ok() && self.stated.wants_work()
    }

    /// The occurrence of its group at this instant, which may lie outside the interval.
    pub(crate) fn firing_at(&self, instant: Timestamp) -> Option<Occurrence> {
        let group = self.group.as_ref().ok()?;
        firing_at(group, instant)
    }

    pub(crate) fn contains(&self, instant: Timestamp) -> bool {
        self.from <= instant && self.until.is_none_or(|until| instant < until)
    }
}

impl StatedPreference {
    fn wants_work(&self) -> bool {
        match self {
            Self::Stated { preference, .. } => preference.is_enabled(),
            Self::Nothing { is_enrolled } => *is_enrolled,
            Self::Irrelevant => true,
            Self::Deleted { .. } | Self::Forgotten => false,
        }
    }
}
